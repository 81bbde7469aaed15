from types import SimpleNamespace

import pynvml
import pytest

from vitbench.measure import gpu_busy
from vitbench.measure.gpu_busy import GpuBusyMeter


def sample(second: float, percent: int) -> SimpleNamespace:
    return SimpleNamespace(timeStamp=int(1e6 * second), sampleValue=SimpleNamespace(uiVal=percent))


@pytest.fixture
def nvml(monkeypatch):
    """The samples of a fake GPU, which may be replaced."""
    buffer = [sample(0.2 * i, percent) for i, percent in enumerate([0, 0, 50, 100, 90, 10, 0])]
    monkeypatch.setattr(gpu_busy, "nvml_handles", lambda: ["gpu"])
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetSamples", lambda gpu, kind, since: (0, [s for s in buffer if s.timeStamp >= since])
    )
    return buffer


def measure_share(*moments: float) -> float | None:
    """The share over blocks that start and stop at `moments`, seconds."""
    clock = iter(moments)
    meter = GpuBusyMeter(on_gpu=True, clock=lambda: next(clock))
    for _ in range(len(moments) // 2):
        meter.start()
        meter.stop()
    return meter.share()


def test_only_samples_that_lie_within_a_block_count(nvml):
    assert measure_share(0.39, 0.85) == pytest.approx((1.0 + 0.9) / 2)
    assert measure_share(0.19, 0.45, 0.59, 0.95) == pytest.approx((0.5 + 0.9) / 2)


def test_a_block_without_a_whole_sample_has_no_share(nvml):
    assert measure_share(0.41, 0.75) is None


def test_without_samples_there_is_no_share(nvml, monkeypatch):
    def fail(*arguments):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetSamples", fail)
    assert measure_share(0.0, 9.0) is None
    assert GpuBusyMeter(on_gpu=False).share() is None
