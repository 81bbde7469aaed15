"""The share of the timed blocks in which the GPU was busy. Else it waited for kernels to be launched or for data."""

import itertools
import statistics
import time
from collections.abc import Callable

from vitbench.system.gpus import is_mig, nvml_handles, read_nvml

_UTILIZATION = 1  # an argument of NVML: NVML_GPU_UTILIZATION_SAMPLES


class GpuBusyMeter:
    """The share of the time between each `start` and `stop` in which a kernel ran on the GPU, as NVML samples it.

    NVML takes a sample about five times a second, each for the time since the sample before. Those that began before a
    `start` or ended after its `stop` are left out, so short blocks may have none.
    """

    def __init__(self, on_gpu: bool, clock: Callable[[], float] = time.time):
        handles = nvml_handles() if on_gpu else []
        self._gpu = handles[0] if handles and not is_mig(handles[0]) else None  # NVML would sample the whole board
        self._clock, self._values = clock, []

    def start(self) -> None:
        self._started = self._clock()

    def stop(self) -> None:
        stopped = self._clock()
        samples = _read_samples(self._gpu, self._started) if self._gpu is not None else []
        for (before, _), (end, value) in itertools.pairwise(samples):
            if self._started <= before and end <= stopped:
                self._values.append(value)

    def share(self) -> float | None:
        """0–1; None without NVML, or if no sample lies within a block."""
        return statistics.fmean(self._values) if self._values else None


def _read_samples(gpu, since: float) -> list[tuple[float, float]]:
    """The ends of the samples after `since`, both in seconds since 1970, and the share of each."""
    answer = read_nvml("nvmlDeviceGetSamples", gpu, _UTILIZATION, int(1e6 * since))
    samples = answer[1] if answer else []  # of this GPU NVML has none, or none yet
    return [(sample.timeStamp / 1e6, sample.sampleValue.uiVal / 100) for sample in samples]
