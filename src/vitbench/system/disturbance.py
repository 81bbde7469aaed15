"""What else a machine did while something was timed: other processes, stolen time, clocks and throttling."""

import contextlib
import os
import resource
import time
from dataclasses import dataclass

from vitbench.formatting import format_percent, join_words
from vitbench.system.environment import usable_cores
from vitbench.system.gpus import nvml_handles, read_gpu_state

# Clock reasons of NVML that disturb a measurement; the others belong to normal operation.
_DISTURBING_REASONS = {"hardware_slowdown", "thermal_software", "thermal_hardware", "power_brake"}


@dataclass(frozen=True)
class _Snapshot:
    """Times in seconds since the start of the machine or process. Those of cores are sums over the usable cores."""

    clock: float
    busy: float
    stolen: float
    own: float
    switches: int
    processes: dict[tuple[int, str], float]  # the CPU time of each other process, by its number and name


class MachineWatch:
    """Watches the machine from its creation until `finish`. It reads counters at both ends only."""

    def __init__(self, on_gpu: bool):
        self._on_gpu = on_gpu
        self._load = os.getloadavg()[0]
        self._before = _take_snapshot()

    def finish(self) -> dict:
        """The columns of tables/rounds that describe the machine; None where this system does not say.

        Shares are relative to the time of the cores that this process may run on.
        """
        before, after = self._before, _take_snapshot()
        seconds = max(after.clock - before.clock, 1e-9)
        core_seconds = seconds * len(usable_cores())
        own = after.own - before.own
        return {
            "load_average": self._load,
            "other_cpu_share": max(0.0, after.busy - before.busy - own) / core_seconds,
            "steal_share": (after.stolen - before.stolen) / core_seconds,
            "busiest_process": _find_busiest(before, after),
            "involuntary_switches_per_second": (after.switches - before.switches) / seconds,
            "cpu_mhz": _cpu_mhz(),
            **(_read_gpu() if self._on_gpu else {}),
        }


def disturbance(columns: dict) -> float:
    """The share of the cores' time that others took, 0–1; 1 if the GPU was throttled or shared.

    columns: as `MachineWatch.finish` returns them.
    """
    if columns.get("gpu_other_processes") or _throttling_reasons(columns):
        return 1.0
    return (columns.get("other_cpu_share") or 0.0) + (columns.get("steal_share") or 0.0)


def describe_disturbance(columns: dict) -> str:
    """What disturbed a measurement, as a clause: "other processes (mostly ninja) took 23 % of its cores' time"."""
    if reasons := _throttling_reasons(columns):
        return f"the GPU was slowed down ({join_words(sorted(reasons))})"
    if columns.get("gpu_other_processes"):
        return f"the GPU was shared (other processes: {columns['gpu_other_processes']})"
    process = f" (mostly {columns['busiest_process']})" if columns.get("busiest_process") else ""
    clauses = [f"other processes{process} took {format_percent(columns['other_cpu_share'])} of its cores' time"]
    if columns.get("steal_share"):
        clauses.append(f"the hypervisor took {format_percent(columns['steal_share'])}")
    return join_words(clauses)


def _throttling_reasons(columns: dict) -> set[str]:
    return _DISTURBING_REASONS.intersection((columns.get("gpu_clock_reasons") or "").split(", "))


def _take_snapshot() -> _Snapshot:
    import psutil

    usable = set(usable_cores())
    cores = [times for number, times in enumerate(psutil.cpu_times(percpu=True)) if number in usable]
    busy = sum(
        sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")) for times in cores
    )
    family, others = 0.0, {}
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    for process in psutil.process_iter(["pid", "name", "cpu_times"]):
        if (times := process.info["cpu_times"]) is None:
            continue
        if process.info["pid"] in own:
            family += times.user + times.system + times.children_user + times.children_system
        else:
            others[process.info["pid"], process.info["name"]] = times.user + times.system
    return _Snapshot(
        clock=time.perf_counter(),
        busy=busy,
        stolen=sum(getattr(times, "steal", 0.0) for times in cores),
        own=family,
        switches=resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        processes=others,
    )


def _find_busiest(before: _Snapshot, after: _Snapshot) -> str | None:
    """The name of the other process that used most CPU time, unless none used any."""
    used = {key: seconds - before.processes.get(key, 0.0) for key, seconds in after.processes.items()}
    key = max(used, key=lambda key: used[key], default=None)
    return key[1] if key and used[key] > 0 else None


def _cpu_mhz() -> float | None:
    """The mean clock of all cores now; None where the system does not say."""
    import psutil

    # psutil raises these where it has no such function, or where the system lacks the files or counters that it reads.
    with contextlib.suppress(AttributeError, NotImplementedError, OSError):
        frequency = psutil.cpu_freq()
        return frequency.current if frequency else None
    return None


def _read_gpu() -> dict:
    """The columns of the GPU that this process computes on; empty without NVML."""
    gpus = nvml_handles()
    if not gpus:
        return {}
    state = read_gpu_state(gpus[0], own_processes=1)
    columns = ("clock_mhz", "celsius", "power_limit_watts", "clock_reasons", "other_processes")
    return {f"gpu_{column}": state[column] for column in columns}
