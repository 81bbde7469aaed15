"""The GPUs of this machine and those that this process may use, and what NVML says about them."""

import contextlib
import os
from pathlib import Path
from typing import Any

# Reasons why an NVIDIA GPU runs at a lower clock: bits of NVML, see "Clocks Event Reasons" in its reference.
CLOCK_REASONS = {
    "idle": 0x1,
    "applications_clocks": 0x2,
    "power_cap": 0x4,
    "sync_boost": 0x10,
    "hardware_slowdown": 0x8,
    "thermal_software": 0x20,
    "thermal_hardware": 0x40,
    "power_brake": 0x80,
}
_SM_CLOCK, _MEMORY_CLOCK, _GPU_SENSOR = 1, 2, 0  # arguments of NVML


def has_gpu() -> bool:
    """Whether the kernel has a GPU: NVIDIA's (nvidia0, …), AMD's (kfd), or one of Windows through WSL (dxg)."""
    devices = Path("/dev")
    return any(devices.glob("nvidia[0-9]*")) or (devices / "kfd").exists() or (devices / "dxg").exists()


def visible_gpus() -> list[str]:
    """The GPUs that this process may use: the numbers or UUIDs in CUDA_VISIBLE_DEVICES; without it, all numbers."""
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    if variable is None:
        return [str(number) for number in range(_count_gpus())]
    names = [name.strip() for name in variable.split(",") if name.strip()]
    return names[: names.index("-1")] if "-1" in names else names  # CUDA ignores what follows −1


def read_nvml(function: str, *arguments) -> Any:
    """What a function of NVML returns; None if NVML refuses, or without the package nvidia-ml-py or a driver."""
    try:
        import pynvml
    except ImportError:
        return None
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        return getattr(pynvml, function)(*arguments)
    return None


def nvml_handles() -> list:
    """NVML's handles of the GPUs that this process may use, without those that it does not find."""
    return [handle for name in visible_gpus() if (handle := find_gpu(name)) is not None]


def find_gpu(name: str) -> Any:
    """NVML's handle of a GPU by its number, its UUID or the start of its UUID; None if NVML finds none."""
    if name.isdigit():
        return read_nvml("nvmlDeviceGetHandleByIndex", int(name))
    handle = read_nvml("nvmlDeviceGetHandleByUUID", name)
    if handle is not None:
        return handle
    gpus = [read_nvml("nvmlDeviceGetHandleByIndex", number) for number in range(_count_gpus())]
    return next((gpu for gpu in gpus if (read_nvml("nvmlDeviceGetUUID", gpu) or "").startswith(name)), None)


def identify_gpu(name: str) -> str:
    """The UUID of a GPU by a name as in `find_gpu`; the name itself if NVML does not say."""
    gpu = find_gpu(name)
    return (None if gpu is None else read_nvml("nvmlDeviceGetUUID", gpu)) or name


def is_mig(gpu: Any) -> bool | None:
    """Whether a GPU is an instance of MIG or is divided into instances, by its handle; None if NVML does not say.

    The counters of NVML then include the other instances of the board.
    """
    if (read_nvml("nvmlDeviceGetUUID", gpu) or "").startswith("MIG-"):
        return True
    mode = read_nvml("nvmlDeviceGetMigMode", gpu)
    return mode and bool(mode[0])  # the current mode; the second is pending


def describe_gpu(gpu: Any) -> dict:
    """The name, memory and driver of a GPU, and whether MIG is on, by its handle.

    What NVML lacks is None: the memory, if the GPU shares that of the host or MIG is on.
    """
    mig = is_mig(gpu)
    memory = None if mig else read_nvml("nvmlDeviceGetMemoryInfo", gpu)
    return {
        "name": read_nvml("nvmlDeviceGetName", gpu),
        "memory_bytes": memory and memory.total,
        "driver": read_nvml("nvmlSystemGetDriverVersion"),
        "mig": mig,
    }


def read_gpu_state(gpu: Any, own_processes: int) -> dict:
    """Clocks (MHz), temperature (°C), power limit (W), clock reasons and other processes of a GPU, by its handle.

    own_processes: how many of the processes that compute on it belong to this job. What NVML lacks is None. With MIG
    that includes the other processes, since they may compute on other instances.
    """
    milliwatts = read_nvml("nvmlDeviceGetEnforcedPowerLimit", gpu)
    reasons = read_nvml("nvmlDeviceGetCurrentClocksThrottleReasons", gpu)
    processes = None if is_mig(gpu) else read_nvml("nvmlDeviceGetComputeRunningProcesses", gpu)
    return {
        "clock_mhz": read_nvml("nvmlDeviceGetClockInfo", gpu, _SM_CLOCK),
        "memory_clock_mhz": read_nvml("nvmlDeviceGetClockInfo", gpu, _MEMORY_CLOCK),
        "celsius": read_nvml("nvmlDeviceGetTemperature", gpu, _GPU_SENSOR),
        "power_limit_watts": milliwatts and milliwatts / 1000,
        "clock_reasons": None if reasons is None else _name_reasons(reasons),
        "other_processes": None if processes is None else max(0, len(processes) - own_processes),
    }


def _name_reasons(bits: int) -> str:
    return ", ".join(name for name, bit in CLOCK_REASONS.items() if bits & bit)


def _count_gpus() -> int:
    return read_nvml("nvmlDeviceGetCount") or 0
