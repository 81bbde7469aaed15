"""Hardware, software and provenance of a result."""

import contextlib
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vitbench.system.gpus import nvml_handles

COMPUTING = ("keras", "jax", "jaxlib", "torch", "tensorflow", "tensorflow-cpu", "numpy", "ml-dtypes", "h5py")
PACKAGES = (*COMPUTING, "pandas", "seaborn", "snakemake", "papermill")
VARIABLE_PREFIXES = (
    *("KERAS_", "JAX_", "XLA_", "TORCH", "PYTORCH_", "TRITON_"),
    # not all of TF_, which Terraform uses too, for tokens among others
    *(f"TF_{word}_" for word in ("CPP", "CUDNN", "DETERMINISTIC", "DISABLE", "ENABLE", "FORCE", "GPU", "NUM", "XLA")),
    *("CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "OMP_", "MKL_", "OPENBLAS_", "MALLOC_", "LD_PRELOAD"),
    *(f"SLURM_JOB_{word}" for word in ("ID", "PARTITION", "NODELIST", "GPUS")),
)
PRIVATE_VARIABLES = ("TORCHINDUCTOR_CACHE_DIR",)  # a fresh folder for each process


def collect_environment(computing_on: dict | None = None) -> dict:
    """Everything about this machine and process that a reader needs to judge a result; see `describe_machine`."""
    import psutil

    return {
        **describe_machine(computing_on),
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "cpu": {"model": _cpu_name(), "logical_cores": os.cpu_count(), "usable_cores": _usable_cores()},
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
        "packages": installed_versions(PACKAGES),
        "git": {"commit": _git("rev-parse", "HEAD"), "dirty": bool(_git("status", "--porcelain", "-uno"))},
        "variables": {
            k: v
            for k, v in sorted(os.environ.items())
            if k.startswith(VARIABLE_PREFIXES) and k not in PRIVATE_VARIABLES
        },
    }


def describe_machine(computing_on: dict | None = None) -> dict:
    """The names of the device that this process computes on, and of the machine.

    computing_on: the device that the backend reports; None means the one that the process may compute on.
    """
    device = computing_on or {"type": "gpu", "name": None}
    gpu_names = device["name"] or ", ".join(gpu["name"] for gpu in _gpus() if gpu["name"])
    name = gpu_names if device["type"] == "gpu" else None
    return {"device": name or _cpu_name(), "hostname": platform.node()}


def installed_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    return {name: version for name in packages if (version := _version(name))}


def has_gpu() -> bool:
    """Whether the kernel has a GPU that a framework may use: of NVIDIA, of AMD, or through WSL of Windows."""
    devices = Path("/dev")
    return any(devices.glob("nvidia[0-9]*")) or (devices / "kfd").exists() or (devices / "dxg").exists()


def peak_host_memory_bytes() -> int:
    """The largest resident set of this process so far, bytes, as the kernel counts it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


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


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpus() -> list[dict]:
    """The NVIDIA GPUs that this process may use. None where NVML has no value, as for memory shared with the host."""
    import pynvml

    def read_or_none(read: Callable, *arguments):
        with contextlib.suppress(pynvml.NVMLError):
            return read(*arguments)
        return None

    return [
        {
            "name": read_or_none(pynvml.nvmlDeviceGetName, handle),
            "memory_bytes": read_or_none(lambda handle: pynvml.nvmlDeviceGetMemoryInfo(handle).total, handle),
            "driver": read_or_none(pynvml.nvmlSystemGetDriverVersion),
        }
        for handle in nvml_handles()
    ]
