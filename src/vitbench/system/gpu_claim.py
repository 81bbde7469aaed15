"""The claim of a job to one GPU."""

import os
import tempfile
from pathlib import Path

from vitbench.formatting import join_words
from vitbench.system.gpus import visible_gpus
from vitbench.system.locks import claim_one_of
from vitbench.system.scratch import PREFIX


def claim_gpu(accelerator: str) -> str | None:
    """Claims one GPU for this process and its children, until it ends. Waits until one is free.

    Returns the GPU's name, to which CUDA_VISIBLE_DEVICES is set. No other job of vitbench on this machine claims the
    same GPU. Within a SLURM allocation, no other job of the allocation does; SLURM may number its GPUs from 0.

    Returns None and claims nothing if `accelerator` is cpu, on a machine without a GPU, or if SLURM gave this job a
    single GPU.
    """
    allocation = os.environ.get("SLURM_JOB_ID")
    if accelerator == "cpu" or not (visible := visible_gpus()) or (allocation and len(visible) == 1):
        return None
    scope = f"job{allocation}-" if allocation else ""
    # All users of this machine can write to the temporary directory. The files are removed when their processes end.
    locks = [Path(tempfile.gettempdir(), f"{PREFIX}{scope}gpu{name}.lock") for name in visible]
    purpose = f"a GPU; other jobs of vitbench use {join_words(visible)}"
    name = visible[locks.index(claim_one_of(locks, purpose))]
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order of NVML and SLURM
    os.environ["CUDA_VISIBLE_DEVICES"] = name
    return name
