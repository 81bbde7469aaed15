"""The GPUs of this machine and those that this process may use."""

import contextlib
import os
from pathlib import Path


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


def nvml_handles() -> list:
    """NVML's handles of the GPUs that this process may use; an empty list without a driver."""
    import pynvml

    handles = []
    for name in visible_gpus() if _count_gpus() else []:
        with contextlib.suppress(pynvml.NVMLError):
            if name.isdigit():
                handles.append(pynvml.nvmlDeviceGetHandleByIndex(int(name)))
            else:
                handles.append(pynvml.nvmlDeviceGetHandleByUUID(name))
    return handles


def _count_gpus() -> int:
    import pynvml

    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return 0
