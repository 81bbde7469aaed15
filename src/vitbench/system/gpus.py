"""The NVIDIA GPUs of this machine, and which of them a job gets."""

import contextlib
import os
import tempfile
from pathlib import Path

from vitbench.system.locks import hold_one_of

_claims = contextlib.ExitStack()  # held for as long as this process lives


def claim_gpu(accelerator: str) -> str | None:
    """Claims one GPU for this process and its children until it ends, and returns its name in CUDA_VISIBLE_DEVICES.

    No other job of vitbench on this machine uses that GPU; the call waits until one is free. Within a SLURM allocation,
    whose GPUs may be numbered from 0, no other job of the allocation uses it. Does nothing and returns None on a
    machine without a GPU, if `accelerator` is cpu, and if SLURM gave this job a single GPU.
    """
    allocation = os.environ.get("SLURM_JOB_ID")
    if accelerator == "cpu" or not (visible := visible_gpus()) or (allocation and len(visible) == 1):
        return None
    prefix = f"{allocation}-" if allocation else ""
    locks = [Path(tempfile.gettempdir(), f"vitbench-gpu-{prefix}{name}.lock") for name in visible]
    purpose = f"a GPU: other jobs of vitbench have {' and '.join(visible)}"
    name = visible[locks.index(_claims.enter_context(hold_one_of(locks, purpose)))]
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order of NVML and SLURM
    os.environ["CUDA_VISIBLE_DEVICES"] = name
    return name


def visible_gpus() -> list[str]:
    """The names of the GPUs that this process may use, from CUDA_VISIBLE_DEVICES; without it, all GPUs by number."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return [str(number) for number in range(_count_gpus())]
    names = [name.strip() for name in listed.split(",") if name.strip()]
    return names[: names.index("-1")] if "-1" in names else names


def nvml_handles() -> list:
    """NVML's handles of the GPUs that this process may use; empty without a driver."""
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
