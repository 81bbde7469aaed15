import sys
from types import SimpleNamespace

import pytest

from helpers.fake_nvml import fake_nvml
from vitbench.measure.gpu_busy import GpuBusyMeter


def sample(second: float, percent: int) -> SimpleNamespace:
    return SimpleNamespace(timeStamp=int(1e6 * second), sampleValue=SimpleNamespace(uiVal=percent))


BUFFER = [sample(0.2 * i, percent) for i, percent in enumerate([0, 0, 50, 100, 90, 10, 0])]


@pytest.fixture
def gpu(monkeypatch) -> dict:
    """The only GPU of this machine, whose answers may be changed."""
    answers: dict = {"GetSamples": (0, BUFFER)}
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(answers))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return answers


def measure_share(*moments: float) -> float | None:
    """The share over blocks that start and stop at `moments`, seconds."""
    clock = iter(moments)
    meter = GpuBusyMeter(on_gpu=True, clock=lambda: next(clock))
    for _ in range(len(moments) // 2):
        meter.start()
        meter.stop()
    return meter.share()


def test_only_samples_that_lie_within_a_block_count(gpu):
    assert measure_share(0.39, 0.85) == pytest.approx((1.0 + 0.9) / 2)
    assert measure_share(0.19, 0.45, 0.59, 0.95) == pytest.approx((0.5 + 0.9) / 2)


def test_a_block_without_a_whole_sample_has_no_share(gpu):
    assert measure_share(0.41, 0.75) is None


@pytest.mark.parametrize("change", ["not supported", "MIG"])
def test_without_samples_of_this_gpu_alone_there_is_no_share(gpu, change):
    if change == "MIG":
        gpu["GetMigMode"] = (1, 1)
    else:
        del gpu["GetSamples"]
    assert measure_share(0.0, 9.0) is None


def test_without_a_gpu_there_is_no_share():
    assert GpuBusyMeter(on_gpu=False).share() is None
