"""Hardware, software and provenance: where and from what a result was made."""

import ast
import hashlib
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from vitbench import PROCESS_BEGAN

PACKAGES = (
    *("keras", "jax", "jaxlib", "torch", "tensorflow", "tensorflow-cpu", "numpy", "ml-dtypes", "h5py"),
    *("pandas", "seaborn", "snakemake", "papermill"),
)
VARIABLE_PREFIXES = (
    "KERAS_",
    "JAX_",
    "XLA_",
    "TF_ENABLE_",
    "TF_XLA_",
    "TF_CPP_",
    "TF_GPU_",
    "TORCH",
    "PYTORCH_",
    "CUDA_",
    "OMP_",
    "MKL_",
    "SLURM_JOB_",
    "NVIDIA_",
)
# Change what is reported or said, never what is computed.
_NOT_COMPUTING = {
    "vitbench.config",
    "vitbench.config.dataset",
    "vitbench.config.models",
    "vitbench.config.section",
    "vitbench.config.training",
    "vitbench.environment",
    "vitbench.progress",
    "vitbench.results",
    "vitbench.records",
}


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


def fingerprint(*modules: str) -> str:
    """A digest of what `modules`, and all of vitbench that they import, compute.

    It reads the syntax tree without docstrings, so that a comment, a docstring or a line break changes nothing; an edit
    that can change a number does.
    """
    digest = hashlib.sha256()
    for module, code in sorted(_closure(modules, leaving_out=_NOT_COMPUTING).items()):
        digest.update(f"{module}\n{code}\n".encode())
    return digest.hexdigest()[:16]


def source_files(*modules: str) -> list[str]:
    """The files of `modules` and of all of vitbench that they import."""
    return [str(_module_path(module)) for module in sorted(_closure(modules))]


def _closure(modules: Iterable[str], leaving_out: Container[str] = ()) -> dict[str, str]:
    """The normalised code of `modules` and of all of vitbench that they import, by name."""
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and module not in leaving_out:
            found[module], imported = _module(module)
            waiting += imported
    return found


@cache
def _module(name: str) -> tuple[str, list[str]]:
    """The normalised code of a module of vitbench and the modules of vitbench that it imports."""
    tree = ast.parse(_module_path(name).read_text())
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vitbench":
            children = [f"{node.module}.{alias.name}" for alias in node.names]
            imported += [node.module, *(child for child in children if _module_path(child))]
    return ast.dump(tree), [module for module in imported if module != "vitbench"]


def _module_path(name: str) -> Path | None:
    path = Path(__file__).parent.joinpath(*name.split(".")[1:])
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.exists()), None)


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
