from vitbench.system import environment
from vitbench.system.environment import collect_environment, describe_machine
from vitbench.system.times import process_times


def test_the_record_of_this_machine_is_complete():
    found = collect_environment()
    assert found["device"] and found["python_version"].startswith("3.")
    assert found["memory_bytes"] > 2**30 and found["cpu"]["logical_cores"] >= 1
    assert found["packages"]["keras"] == "3.15.1"
    times = process_times()
    assert times["started_at"] < times["finished_at"] and times["total_seconds"] > 0
    assert environment.peak_host_memory_bytes() > 2**20


class Silent(Exception):
    """In place of what NVML raises."""


def test_a_gpu_of_which_nvml_tells_little_is_recorded_all_the_same(monkeypatch):
    def refuses(*_):
        raise Silent

    monkeypatch.setattr("pynvml.NVMLError", Silent)
    monkeypatch.setattr("pynvml.nvmlDeviceGetName", lambda handle: "NVIDIA GB10", raising=False)
    monkeypatch.setattr("pynvml.nvmlDeviceGetMemoryInfo", refuses)
    monkeypatch.setattr("pynvml.nvmlSystemGetDriverVersion", lambda: "580.95")
    monkeypatch.setattr("vitbench.system.environment.nvml_handles", lambda: [object()])
    assert collect_environment()["gpus"] == [{"name": "NVIDIA GB10", "memory_bytes": None, "driver": "580.95"}]


def test_the_device_is_the_one_that_is_computed_on(monkeypatch):
    cpu = describe_machine()["device"]
    assert describe_machine({"type": "gpu", "name": "NVIDIA H200"})["device"] == "NVIDIA H200"  # without NVML
    monkeypatch.setattr("vitbench.system.environment._gpus", lambda: [{"name": "NVIDIA H200"}])
    assert describe_machine()["device"] == "NVIDIA H200"
    assert describe_machine({"type": "gpu", "name": None})["device"] == "NVIDIA H200"
    assert describe_machine({"type": "cpu", "name": None})["device"] == cpu  # beside a GPU
