"""Describes the hardware, software and provenance of a result."""

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

from vitbench.system.gpus import describe_gpu, nvml_handles, read_gpu_state

# Packages that results are computed with; another version of one of them may change a result.
COMPUTING = ("keras", "jax", "jaxlib", "torch", "tensorflow", "tensorflow-cpu", "numpy", "ml-dtypes", "h5py")
PACKAGES = (*COMPUTING, "pandas", "seaborn", "snakemake", "papermill")
# What the names of CUDA's libraries begin with; some end in a version of CUDA.
LIBRARY_PREFIXES = ("nvidia-cublas", "nvidia-cudnn", "nvidia-nccl", "triton", "jax-cuda")
# Of TF_, only what TensorFlow reads: Terraform uses the prefix too, for tokens among others.
VARIABLE_PREFIXES = (
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "JAX_",
    "KERAS_",
    "LD_LIBRARY_PATH",
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
# Folders in which the frameworks keep what they have compiled, so that later processes start faster.
CACHE_VARIABLES = ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


def collect_environment(computing_on: dict | None = None) -> dict:
    """The hardware, the software and the variables that affect a result of this process; see `describe_machine`."""
    import psutil

    warm_caches = _list_warm_caches()
    return {
        **describe_machine(computing_on),
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "cpu": {"model": _cpu_name(), "logical_cores": os.cpu_count(), "usable_cores": len(usable_cores())},
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _describe_gpus(bool(computing_on) and computing_on["type"] == "gpu"),
        "packages": installed_versions(PACKAGES) | _library_versions(),
        "git": _describe_checkout(),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(VARIABLE_PREFIXES) and (name in warm_caches or name not in CACHE_VARIABLES)
        },
        "warm_caches": warm_caches,
    }


def describe_machine(computing_on: dict | None = None) -> dict:
    """The name of the device that this process computes on, and the host name.

    computing_on: type and name of the device as the backend reports them. If it is None, no backend has started, and
    the device is the GPU that this process may use, or the CPU without one.
    """
    device = computing_on or {"type": "gpu", "name": None}
    gpu_names = device["name"] or ", ".join(gpu["name"] for gpu in map(describe_gpu, nvml_handles()) if gpu["name"])
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
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    # The metadata of torch's wheels may lack for which CUDA they were built, as in 2.11.0+cu130.
    return str(getattr(sys.modules.get(package), "__version__", version))


def _library_versions() -> dict[str, str]:
    """The versions of the libraries of CUDA that are installed as packages, by the names of these."""
    packages = {package.name: package.version for package in importlib.metadata.distributions()}
    return {name: packages[name] for name in sorted(filter(None, packages)) if name.startswith(LIBRARY_PREFIXES)}


def _list_warm_caches() -> list[str]:
    """The variables that name a compilation cache of the user's, which earlier processes may have filled."""
    from vitbench.system.scratch import is_scratch  # needs filelock, which a process that only plans lacks

    return [name for name in CACHE_VARIABLES if (folder := os.environ.get(name)) and not is_scratch(Path(folder))]


def _describe_checkout() -> dict:
    """The commit of vitbench and whether files differ from it; None outside a repository or without git."""
    changes = _git("status", "--porcelain", "-uno")
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


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


def _describe_gpus(computes_on_gpu: bool) -> list[dict]:
    """The NVIDIA GPUs that this process may use, and their states. computes_on_gpu: whether it uses the first one."""
    return [
        describe_gpu(gpu) | read_gpu_state(gpu, own_processes=int(computes_on_gpu and place == 0))
        for place, gpu in enumerate(nvml_handles())
    ]
