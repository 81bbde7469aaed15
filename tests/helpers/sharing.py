"""What one process makes for all processes of pytest-xdist."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` has filled. The first process that asks calls `make`; the others wait for it.

    If `make` fails, each process that asks tries again and fails by itself.
    """
    base = factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # a worker of pytest-xdist has a folder of its own
    finished = shared / f"{name}.finished"
    with FileLock(shared / f"{name}.lock"):
        if not finished.exists():
            folder = factory.mktemp(name)
            make(folder)
            finished.write_text(str(folder))
    return Path(finished.read_text())


def share_compiled_functions() -> None:
    """Makes JAX keep what it compiles in a folder for all tests of a session, because many compile the same."""
    global _compiled
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:  # workers of pytest-xdist inherit it
        return
    _compiled = tempfile.TemporaryDirectory(prefix="compiled-", ignore_cleanup_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


_compiled: tempfile.TemporaryDirectory | None = None  # removed at exit
