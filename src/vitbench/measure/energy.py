"""Energy, where this machine lets it be read: a GPU's counter through NVML, or the processors' through RAPL."""

import os
from pathlib import Path

import keras

from vitbench.system.gpus import nvml_handles

RAPL = Path("/sys/class/powercap")


class EnergyMeter(keras.callbacks.Callback):
    """Adds up what the epochs of a fit have used, joules; None where nothing can be read.

    source: nvml (the whole board of the GPU that this process sees first) or rapl (all processor packages, whoever
    computes on them). RAPL's counters go round; an epoch in which one goes round twice would be told too small, which
    at a few hundred watts takes minutes.
    """

    def __init__(self, on_gpu: bool, rapl: Path = RAPL):
        super().__init__()
        self._counters = _nvml() if on_gpu else _rapl(rapl)
        self.source = ("nvml" if on_gpu else "rapl") if self._counters else None
        self.joules = 0.0 if self._counters else None

    def on_epoch_begin(self, epoch, logs=None):
        self._before = [read() for read, _ in self._counters]

    def on_epoch_end(self, epoch, logs=None):
        for (read, goes_round_at), before in zip(self._counters, self._before, strict=True):
            used = read() - before
            self.joules += used if used >= 0 else used + goes_round_at


def _rapl(folder: Path) -> list:
    """(read, range) in joules of each processor package whose counter may be read, which often only root may."""
    counters = []
    for domain in sorted(folder.glob("intel-rapl:*")):
        if domain.name.count(":") > 1 or not os.access(domain / "energy_uj", os.R_OK):
            continue  # a part of a package, or a secret
        if (domain / "name").read_text().startswith("package"):
            counters.append((lambda d=domain: _joules(d / "energy_uj"), _joules(domain / "max_energy_range_uj")))
    return counters


def _joules(file: Path) -> float:
    return int(file.read_text()) / 1e6


def _nvml() -> list:
    """(read, range) in joules of the GPU that this process computes on; empty where NVML does not tell."""
    import pynvml

    try:
        gpu = nvml_handles()[0]
        pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    except (IndexError, pynvml.NVMLError):
        return []
    return [(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1e3, float("inf"))]
