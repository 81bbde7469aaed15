import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.conda_machine import Machine


@pytest.fixture(scope="session")
def machine(pytestconfig) -> Iterator[Machine]:
    """A machine that is removed at the end, with gigabytes of environments; pytest would keep its own folders."""
    folder = Path(tempfile.mkdtemp(prefix="vitbench-conda-"))
    try:
        machine = Machine(folder)
        machine.install()
        yield machine
        print("\nminutes:", ", ".join(f"{name} {minutes:.1f}" for name, minutes in machine.minutes.items()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
