"""The claim of a job to one GPU."""

import os
from pathlib import Path

from vitbench.formatting import join_words
from vitbench.system.gpus import find_gpu, identify_gpu, read_gpu_state, visible_gpus
from vitbench.system.locks import claim_one_of
from vitbench.system.logs import notify
from vitbench.system.scratch import PREFIX, shared_folder


def claim_gpu(accelerator: str, lock_folder: Path | None = None) -> str | None:
    """Claims one GPU for this process and its children, until it ends. Waits until one is free.

    Returns the GPU's name, to which CUDA_VISIBLE_DEVICES is set. No other job of vitbench on this machine claims the
    same GPU, by whatever name. Within a SLURM allocation, no other job of the allocation does; SLURM may number its
    GPUs from 0. Warns if processes compute on the GPU that are no jobs of vitbench.

    Returns None and claims nothing if `accelerator` is cpu, on a machine without a GPU, or if SLURM gave this job a
    single GPU. lock_folder: where the locks are; None: a folder that all jobs on this machine share.
    """
    allocation = os.environ.get("SLURM_JOB_ID")
    if accelerator == "cpu" or not (visible := visible_gpus()) or (allocation and len(visible) == 1):
        return None
    scope = f"job{allocation}-" if allocation else ""
    folder = lock_folder or shared_folder()
    # The files are removed when their processes end.
    locks = [folder / f"{PREFIX}{scope}gpu{identify_gpu(name).replace('/', '-')}.lock" for name in visible]
    purpose = f"a GPU; other jobs of vitbench use {join_words(visible)}"
    name = visible[locks.index(claim_one_of(locks, purpose))]
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order of NVML and SLURM
    os.environ["CUDA_VISIBLE_DEVICES"] = name
    _warn_if_shared(name)
    return name


def _warn_if_shared(name: str) -> None:
    gpu = find_gpu(name)
    others = None if gpu is None else read_gpu_state(gpu, own_processes=0)["other_processes"]
    if others:
        notify(f"Warning: GPU {name} is shared (other processes: {others}), so its times will be disturbed")
