import subprocess
import sys

import pytest

from helpers.fake_nvml import fake_nvml
from vitbench.system import environment
from vitbench.system.environment import collect_environment, describe_machine
from vitbench.system.fingerprint import SOURCE
from vitbench.system.times import process_times


@pytest.fixture
def gpu(monkeypatch) -> dict:
    """What NVML says about the only GPU. It shares the memory of the host, so that NVML does not know its size."""
    answers: dict = {"GetName": "NVIDIA GB10"}
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(answers))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    return answers


def test_the_environment_describes_this_machine_and_process():
    record = collect_environment()
    assert record["device"] and record["python_version"].startswith("3.")
    assert record["memory_bytes"] > 2**30 and record["cpu"]["logical_cores"] >= 1
    assert record["packages"]["keras"] == "3.15.1"
    times = process_times()
    assert times["started_at"] < times["finished_at"] and times["total_seconds"] > 0
    assert environment.peak_host_memory_bytes() > 2**20


def test_a_value_that_nvml_lacks_is_null(gpu):
    assert collect_environment()["gpus"] == [
        {"name": "NVIDIA GB10", "memory_bytes": None, "driver": "580.95", "mig": None}
    ]


def test_a_machine_is_described_by_the_device_that_computes(gpu, monkeypatch):
    assert describe_machine({"type": "gpu", "name": "NVIDIA H200"})["device"] == "NVIDIA H200"  # as the backend says
    assert describe_machine({"type": "gpu", "name": None})["device"] == "NVIDIA GB10"
    assert describe_machine()["device"] == "NVIDIA GB10"
    on_cpu = describe_machine({"type": "cpu", "name": None})["device"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert on_cpu == describe_machine()["device"] != "NVIDIA GB10"


def test_variables_of_the_frameworks_are_recorded_and_others_are_not(monkeypatch):
    recorded = {"XLA_FLAGS": "", "TF_ENABLE_ONEDNN_OPTS": "0", "TORCH_LOGS": "dynamo", "SLURM_JOB_ID": "12"}
    unrecorded = {"TF_TOKEN_app": "secret", "TORCHINDUCTOR_CACHE_DIR": "/tmp/x", "SLURM_JOB_USER": "me"}
    for name, value in (recorded | unrecorded).items():
        monkeypatch.setenv(name, value)
    variables = collect_environment()["variables"]
    assert recorded.items() <= variables.items() and not unrecorded.keys() & variables.keys()


def test_the_package_records_the_start_of_the_process_before_it_imports_any_other_module():
    code = (
        "import sys; before = set(sys.modules); import vitbench; "
        "print(*sorted(name for name in set(sys.modules) - before if 'vitbench' in name))"
    )
    completed = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, timeout=60)
    assert completed.stdout.split() == ["vitbench", "vitbench.system", "vitbench.system.times"]
