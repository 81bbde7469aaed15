import sys

import pytest

from helpers.fake_nvml import fake_nvml
from vitbench.measure.energy import EnergyMeter
from vitbench.system.disturbance import MachineWatch
from vitbench.system.environment import collect_environment
from vitbench.system.gpu_claim import claim_gpu
from vitbench.system.gpus import find_gpu, visible_gpus

GPUS = {"GetUUID": "GPU-11aa-22"}, {"GetUUID": "GPU-11bb-33"}


@pytest.mark.parametrize("visible", [None, "0"])
def test_a_job_needs_no_package_for_nvml(monkeypatch, visible):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # importing it is an error
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is None:
        assert claim_gpu("auto") is None
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert collect_environment()["gpus"] == []
    meter = EnergyMeter(on_gpu=True)
    meter.start()
    meter.stop()
    assert (meter.joules_per_image(1), meter.source) == (None, None)
    assert not [name for name in MachineWatch(on_gpu=True).finish() if name.startswith("gpu_")]


def test_a_gpu_has_a_number_and_an_id_that_may_be_shortened(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(*GPUS))
    names = ("1", "GPU-11bb-33", "GPU-11b", "2", "GPU-9")
    assert [find_gpu(name) for name in names] == [1, 1, 1, None, None]


@pytest.mark.parametrize(
    ("variable", "names"), [(None, ["0", "1"]), ("1, GPU-11aa", ["1", "GPU-11aa"]), ("0,-1,1", ["0"]), ("", [])]
)
def test_the_variable_of_cuda_decides_which_gpus_are_visible(monkeypatch, variable, names):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(*GPUS))
    if variable is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == names
