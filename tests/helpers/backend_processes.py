"""Runs a module on every backend, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BACKENDS = ("jax", "torch", "tensorflow")
REPOSITORY = Path(__file__).parents[2]


def on_every_backend(
    module: str,
    *arguments: str,
    at_once: int = 2,
    backends: Sequence[str] = BACKENDS,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Raises AssertionError with what a process printed if it failed."""

    def run(backend: str) -> None:
        chosen = environment() | dict(variables or {}) | {"KERAS_BACKEND": backend}
        command = [sys.executable, "-m", module, *arguments]
        ran = subprocess.run(command, env=chosen, capture_output=True, text=True, timeout=600)
        assert ran.returncode == 0, f"{backend}: {ran.stderr[-4000:]}"

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, backends))


def environment() -> dict[str, str]:
    """Of a process that finds the package and the tests, and no GPU."""
    path = os.pathsep.join(str(REPOSITORY / folder) for folder in ("src", "tests"))
    return os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"}
