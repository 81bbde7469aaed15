"""What one process makes for all processes of pytest-xdist."""

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
