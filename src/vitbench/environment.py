"""Hardware, software and provenance: where and from what a result was made."""

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from vitbench import PROCESS_BEGAN

PACKAGES = (
    *("keras", "jax", "jaxlib", "torch", "tensorflow", "tensorflow-cpu", "numpy", "ml-dtypes", "h5py"),
    *("pandas", "seaborn", "snakemake", "papermill"),
)
VARIABLE_PREFIXES = (
    *("KERAS_", "JAX_", "XLA_", "TF_", "TORCH", "PYTORCH_", "TRITON_"),
    *("CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "OMP_", "MKL_", "OPENBLAS_", "MALLOC_", "LD_PRELOAD", "SLURM_JOB_"),
)


def collect() -> dict:
    """Everything about this machine and process that a reader needs to judge a figure made on it."""
    import psutil

    gpus = _gpus()
    cpu = _cpu_name()
    return {
        "device": ", ".join(gpu["name"] for gpu in gpus) if gpus and _gpu_allowed() else cpu,
        "hostname": platform.node(),
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "cpu": {"model": cpu, "logical_cores": os.cpu_count(), "usable_cores": _usable_cores()},
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus,
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": {"commit": _git("rev-parse", "HEAD"), "dirty": bool(_git("status", "--porcelain", "-uno"))},
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(VARIABLE_PREFIXES)},
    }


def gpu_present() -> bool:
    """Whether the kernel has a GPU that a framework may be able to use: NVIDIA's, AMD's, or Windows' through WSL."""
    devices = Path("/dev")
    return any(devices.glob("nvidia[0-9]*")) or (devices / "kfd").exists() or (devices / "dxg").exists()


def process_times() -> dict:
    """When this process began and now, ISO 8601 in UTC, and the seconds between."""
    now = time.time()
    return {
        "started_at": datetime.fromtimestamp(PROCESS_BEGAN, UTC).isoformat(),
        "finished_at": datetime.fromtimestamp(now, UTC).isoformat(),
        "total_seconds": now - PROCESS_BEGAN,
    }


def peak_host_memory_bytes() -> int:
    """The largest resident set of this process so far, bytes, as the kernel counted it."""
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


def _gpu_allowed() -> bool:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "") != "-1"


def _gpus() -> list[dict]:
    """The NVIDIA GPUs of this machine; empty without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    driver = pynvml.nvmlSystemGetDriverVersion()
    handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    return [
        {
            "name": pynvml.nvmlDeviceGetName(handle),
            "memory_bytes": pynvml.nvmlDeviceGetMemoryInfo(handle).total,
            "driver": driver,
        }
        for handle in handles
    ]
