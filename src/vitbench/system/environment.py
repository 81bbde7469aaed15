"""Describes the hardware, software and provenance of a result."""

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

from vitbench.system.gpus import describe_gpu, nvml_handles

# Packages that results are computed with; another version of one of them may change a result.
COMPUTING = ("keras", "jax", "jaxlib", "torch", "tensorflow", "tensorflow-cpu", "numpy", "ml-dtypes", "h5py")
PACKAGES = (*COMPUTING, "pandas", "seaborn", "snakemake", "papermill")
# Of TF_, only what TensorFlow reads: Terraform uses the prefix too, for tokens among others.
VARIABLE_PREFIXES = (
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "JAX_",
    "KERAS_",
    "LD_PRELOAD",
    "MALLOC_",
    "MKL_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "PYTORCH_",
    "SLURM_JOB_GPUS",
    "SLURM_JOB_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_PARTITION",
    "TF_CPP_",
    "TF_CUDNN_",
    "TF_DETERMINISTIC_",
    "TF_DISABLE_",
    "TF_ENABLE_",
    "TF_FORCE_",
    "TF_GPU_",
    "TF_NUM_",
    "TF_XLA_",
    "TORCH",
    "TRITON_",
    "XLA_",
)
UNRECORDED_VARIABLES = ("TORCHINDUCTOR_CACHE_DIR",)  # a new folder in each process


def collect_environment(computing_on: dict | None = None) -> dict:
    """The hardware, the software and the variables that affect a result of this process; see `describe_machine`."""
    import psutil

    return {
        **describe_machine(computing_on),
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "cpu": {"model": _cpu_name(), "logical_cores": os.cpu_count(), "usable_cores": len(usable_cores())},
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
        "packages": installed_versions(PACKAGES),
        "git": {"commit": _git("rev-parse", "HEAD"), "dirty": bool(_git("status", "--porcelain", "-uno"))},
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(VARIABLE_PREFIXES) and name not in UNRECORDED_VARIABLES
        },
    }


def describe_machine(computing_on: dict | None = None) -> dict:
    """The name of the device that this process computes on, and the host name.

    computing_on: type and name of the device as the backend reports them. If it is None, no backend has started, and
    the device is the GPU that this process may use, or the CPU without one.
    """
    device = computing_on or {"type": "gpu", "name": None}
    gpu_names = device["name"] or ", ".join(gpu["name"] for gpu in _gpus() if gpu["name"])
    name = gpu_names if device["type"] == "gpu" else None
    return {"device": name or _cpu_name(), "hostname": platform.node()}


def usable_cores() -> list[int]:
    """The numbers of the cores that this process may run on, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def installed_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    return {name: version for name in packages if (version := _version(name))}


def peak_host_memory_bytes() -> int:
    """The largest resident set size of this process so far, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # Linux reports KiB


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpus() -> list[dict]:
    """The NVIDIA GPUs that this process may use."""
    return [describe_gpu(gpu) for gpu in nvml_handles()]
