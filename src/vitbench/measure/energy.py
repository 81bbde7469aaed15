"""Energy, if this machine has a counter: that of the GPU through NVML, or those of the processors through RAPL."""

import math
import os
from collections.abc import Callable
from pathlib import Path

from vitbench.system.gpus import is_mig, nvml_handles, read_nvml

RAPL = Path("/sys/class/powercap")

Counter = tuple[Callable[[], float], float]  # a function that reads joules; the value at which they overflow to zero


class EnergyMeter:
    """Adds up the energy between each `start` and `stop`, in `joules`; None if no counter can be read.

    source: nvml (the board of the first GPU that this process sees) or rapl (all processor packages, which includes the
    energy of other processes). RAPL counters overflow. If one overflows twice between the two, which takes minutes
    at a few hundred watts, the energy is underestimated.
    """

    def __init__(self, on_gpu: bool, rapl: Path = RAPL):
        self._counters = _nvml_counters() if on_gpu else _rapl_counters(rapl)
        self.source = ("nvml" if on_gpu else "rapl") if self._counters else None
        self.joules = 0.0 if self._counters else None

    def start(self) -> None:
        self._before = [read() for read, _ in self._counters]

    def stop(self) -> None:
        for (read, overflow), before in zip(self._counters, self._before, strict=True):
            difference = read() - before
            self.joules = (self.joules or 0.0) + (difference if difference >= 0 else difference + overflow)

    def joules_per_image(self, images: int) -> float | None:
        """None if no counter can be read, or NVML refused once."""
        return None if self.joules is None or math.isnan(self.joules) else self.joules / images


def _rapl_counters(folder: Path) -> list[Counter]:
    """The counter of each processor package that this user may read; often only root may."""
    counters = []
    for domain in sorted(folder.glob("intel-rapl:*")):
        if domain.name.count(":") > 1 or not os.access(domain / "energy_uj", os.R_OK):
            continue  # part of a package, or not readable
        if (domain / "name").read_text().startswith("package"):
            overflow = _read_joules(domain / "max_energy_range_uj")
            counters.append((lambda domain=domain: _read_joules(domain / "energy_uj"), overflow))
    return counters


def _read_joules(file: Path) -> float:
    return int(file.read_text()) / 1e6


def _nvml_counters() -> list[Counter]:
    """The counter of the GPU that this process computes on; empty where NVML has none, or none of a MIG instance."""

    def read_joules() -> float:
        millijoules = read_nvml("nvmlDeviceGetTotalEnergyConsumption", gpus[0])
        return float("nan") if millijoules is None else millijoules / 1e3

    gpus = nvml_handles()
    is_readable = bool(gpus) and not is_mig(gpus[0]) and not math.isnan(read_joules())
    return [(read_joules, float("inf"))] if is_readable else []
