import subprocess
import sys
from types import SimpleNamespace

import pytest

from helpers.fake_nvml import fake_nvml
from vitbench.system import environment
from vitbench.system.environment import collect_environment, describe_machine
from vitbench.system.fingerprint import SOURCE
from vitbench.system.scratch import scratch_folder
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


def test_a_gpu_comes_with_its_state_and_a_value_that_nvml_lacks_is_null(gpu):
    gpu |= {"SM clock": 1980, "memory clock": 2619, "GetEnforcedPowerLimit": 700_000, "GetMigMode": [0, 0]}
    assert collect_environment()["gpus"] == [
        {
            "name": "NVIDIA GB10",
            "memory_bytes": None,
            "driver": "580.95",
            "mig": False,
            "clock_mhz": 1980,
            "memory_clock_mhz": 2619,
            "celsius": None,
            "power_limit_watts": 700,
            "clock_reasons": None,
            "other_processes": None,
        }
    ]


@pytest.mark.parametrize(("computing_on", "others"), [(None, 2), ("cpu", 2), ("gpu", 1)])
def test_a_process_that_computes_on_the_gpu_is_not_among_the_others(gpu, computing_on, others):
    gpu["GetComputeRunningProcesses"] = ["one", "another"]
    record = collect_environment(computing_on and {"type": computing_on, "name": None})
    assert record["gpus"][0]["other_processes"] == others


def test_a_machine_is_described_by_the_device_that_computes(gpu, monkeypatch):
    assert describe_machine({"type": "gpu", "name": "NVIDIA H200"})["device"] == "NVIDIA H200"  # as the backend says
    assert describe_machine({"type": "gpu", "name": None})["device"] == "NVIDIA GB10"
    assert describe_machine()["device"] == "NVIDIA GB10"
    on_cpu = describe_machine({"type": "cpu", "name": None})["device"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert on_cpu == describe_machine()["device"] != "NVIDIA GB10"


def test_variables_of_the_frameworks_are_recorded_and_others_are_not(monkeypatch):
    recorded = {"XLA_FLAGS": "", "TF_ENABLE_ONEDNN_OPTS": "0", "TORCH_LOGS": "dynamo", "SLURM_JOB_ID": "12"}
    recorded["LD_LIBRARY_PATH"] = "/opt/cuda/lib64"
    unrecorded = {"TF_TOKEN_app": "secret", "SLURM_JOB_USER": "me"}
    for name, value in (recorded | unrecorded).items():
        monkeypatch.setenv(name, value)
    variables = collect_environment()["variables"]
    assert recorded.items() <= variables.items() and not unrecorded.keys() & variables.keys()


def test_only_compilation_caches_of_the_user_make_a_start_warm(monkeypatch):
    own = str(scratch_folder() / "triton")
    caches = {"JAX_COMPILATION_CACHE_DIR": "/home/me/xla", "TORCHINDUCTOR_CACHE_DIR": own, "TRITON_CACHE_DIR": ""}
    for name, folder in caches.items():
        monkeypatch.setenv(name, folder)
    record = collect_environment()
    assert record["warm_caches"] == ["JAX_COMPILATION_CACHE_DIR"]
    assert caches.keys() & record["variables"].keys() == {"JAX_COMPILATION_CACHE_DIR"}


def test_a_package_in_use_says_for_which_cuda_it_was_built(monkeypatch):
    installed = collect_environment()["packages"]["torch"]
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.11.0+cu130"))
    assert collect_environment()["packages"]["torch"] == "2.11.0+cu130" != installed


def test_the_libraries_of_cuda_are_recorded_by_the_names_of_their_packages(monkeypatch, tmp_path):
    versions = {"nvidia-cudnn-cu13": "9.19", "nvidia-nccl-cu13": "2.28", "triton": "3.6", "jax-cuda13-pjrt": "0.10"}
    for name, version in (versions | {"nvidia-ml-py-2": "1"}).items():
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    packages = collect_environment()["packages"]
    assert versions.items() <= packages.items() and "nvidia-ml-py-2" not in packages


@pytest.mark.parametrize("reason", ["no git", "no repository"])
def test_without_a_repository_nothing_is_said_about_changes(monkeypatch, tmp_path, reason):
    if reason == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert collect_environment()["git"] == {"commit": None, "dirty": None}


def test_the_package_records_the_start_of_the_process_before_it_imports_any_other_module():
    code = (
        "import sys; before = set(sys.modules); import vitbench; "
        "print(*sorted(name for name in set(sys.modules) - before if 'vitbench' in name))"
    )
    completed = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, timeout=60)
    assert completed.stdout.split() == ["vitbench", "vitbench.system", "vitbench.system.times"]
