import sys
from types import SimpleNamespace

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


BOARD = {
    "GetName": "NVIDIA H100",
    "GetMemoryInfo": SimpleNamespace(total=80 << 30),
    "GetTotalEnergyConsumption": 1,
    "GetComputeRunningProcesses": ["this process", "one of another instance"],
}


@pytest.mark.parametrize(
    ("name", "answers", "mig"),
    [
        ("0", {"GetUUID": "GPU-1", "GetMigMode": [1, 1]}, True),
        ("MIG-1", {"GetUUID": "MIG-1"}, True),
        ("0", {"GetUUID": "GPU-1", "GetMigMode": [0, 1]}, False),
        ("0", {"GetUUID": "GPU-1"}, None),
    ],
)
def test_what_nvml_says_about_a_whole_board_is_not_recorded_for_an_instance_of_mig(monkeypatch, name, answers, mig):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(BOARD | answers))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", name)
    (gpu,) = collect_environment()["gpus"]
    assert (gpu["mig"], gpu["memory_bytes"]) == (mig, None if mig else 80 << 30)
    assert MachineWatch(on_gpu=True).finish()["gpu_other_processes"] == (None if mig else 1)
    assert EnergyMeter(on_gpu=True).source == (None if mig else "nvml")
