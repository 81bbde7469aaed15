"""The NVIDIA GPUs of this machine, and which of them a job gets."""

import contextlib
import os
import tempfile
from pathlib import Path

from vitbench.system.locks import hold_one_of

_taken = contextlib.ExitStack()  # for as long as this process lives


def claim_gpu(accelerator: str) -> str | None:
    """Takes one GPU for this process and its children, until it ends, and returns its name in CUDA_VISIBLE_DEVICES.

    It is one that no other job of vitbench on this machine has, waited for if need be: a timed job shares its device
    with nothing. Within an allocation of SLURM's, whose GPUs may be counted from 0 whichever they are, it is one that
    no other job in it has. None, and nothing done, on a machine without a GPU, where `accelerator` is cpu, and where
    SLURM has given this job one alone.
    """
    allocation = os.environ.get("SLURM_JOB_ID")
    if accelerator == "cpu" or not (visible := visible_gpus()) or (allocation and len(visible) == 1):
        return None
    of = f"{allocation}-" if allocation else ""
    locks = [Path(tempfile.gettempdir(), f"vitbench-gpu-{of}{name}.lock") for name in visible]
    awaited = f"a GPU: other jobs of vitbench have {' and '.join(visible)}"
    name = visible[locks.index(_taken.enter_context(hold_one_of(locks, awaited)))]
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # in which NVML and Slurm count them
    os.environ["CUDA_VISIBLE_DEVICES"] = name
    return name


def visible_gpus() -> list[str]:
    """The GPUs that this process may use: what CUDA_VISIBLE_DEVICES lists, or the number of each that there is."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return [str(number) for number in range(_count())]
    names = [name.strip() for name in listed.split(",") if name.strip()]
    return names[: names.index("-1")] if "-1" in names else names


def nvml_handles() -> list:
    """NVML's handles of the GPUs that this process may use; empty without a driver."""
    import pynvml

    found = []
    for name in visible_gpus() if _count() else []:
        with contextlib.suppress(pynvml.NVMLError):
            by_number = name.isdigit()
            get = pynvml.nvmlDeviceGetHandleByIndex if by_number else pynvml.nvmlDeviceGetHandleByUUID
            found.append(get(int(name) if by_number else name))
    return found


def _count() -> int:
    import pynvml

    try:
        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return 0
