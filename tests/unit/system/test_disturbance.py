import os
import subprocess
import sys
import time

import pytest

from helpers.fake_nvml import fake_nvml
from vitbench.system import disturbance as module
from vitbench.system.disturbance import MachineWatch, describe_disturbance, disturbance

QUIET = {"other_cpu_share": 0.01, "steal_share": 0.002}


def busy_wait(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def own_cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def test_the_work_of_this_process_and_its_children_is_not_that_of_others():
    watch, started, used = MachineWatch(on_gpu=False), time.perf_counter(), own_cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        busy_wait(0.5)
        child.kill()
    columns, used = watch.finish(), own_cpu_seconds() - used
    core_seconds = (time.perf_counter() - started) * len(module.usable_cores())
    assert used > 0.5
    assert 0 <= columns["other_cpu_share"] * core_seconds <= core_seconds - used + 0.1  # the kernel counts in 0.01 s


def test_the_work_of_another_process_is_seen_and_named():
    stray = "import os, time\nif os.fork() == 0:\n  os.setsid()\n  t = time.time()\n  while time.time() < t + 2: pass\n"
    subprocess.run([sys.executable, "-c", stray], check=True)  # its child is no descendant of this process
    watch = MachineWatch(on_gpu=False)
    time.sleep(1.0)
    columns = watch.finish()
    assert columns["other_cpu_share"] > 0.3 / len(module.usable_cores())
    assert columns["busiest_process"]


def test_the_disturbance_is_what_others_and_the_hypervisor_took():
    assert disturbance(QUIET) == pytest.approx(0.012)
    assert disturbance({}) == 0  # a system that says nothing


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ({"gpu_other_processes": 2}, "the GPU was shared (other processes: 2)"),
        ({"gpu_clock_reasons": "power_cap, thermal_hardware"}, "the GPU was slowed down (thermal_hardware)"),
    ],
)
def test_a_gpu_that_is_shared_or_throttled_disturbs_whatever_the_processor_does(gpu, words):
    assert disturbance(QUIET | gpu) == 1
    assert describe_disturbance(QUIET | gpu) == words


def test_a_gpu_at_its_power_limit_or_idle_disturbs_nothing():
    assert disturbance(QUIET | {"gpu_clock_reasons": "idle, power_cap", "gpu_other_processes": 0}) < 0.1


def test_a_disturbance_is_described_by_its_cause():
    columns = {"other_cpu_share": 0.231, "steal_share": 0.02, "busiest_process": "ninja"}
    assert describe_disturbance(columns) == (
        "other processes (mostly ninja) took 23.1\u202f% of its cores' time and the hypervisor took 2\u202f%"
    )


def test_the_state_of_the_gpu_is_read_and_what_nvml_lacks_is_null(monkeypatch):
    gpu = {
        "SM clock": 1980,
        "GetEnforcedPowerLimit": 700_000,
        "GetCurrentClocksThrottleReasons": 0x44,
        "GetComputeRunningProcesses": ["this process", "another one"],
    }
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(gpu))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    columns = MachineWatch(on_gpu=True).finish()
    assert {name: value for name, value in columns.items() if name.startswith("gpu_")} == {
        "gpu_clock_mhz": 1980,
        "gpu_celsius": None,
        "gpu_power_limit_watts": 700,
        "gpu_clock_reasons": "power_cap, thermal_hardware",
        "gpu_other_processes": 1,
    }
