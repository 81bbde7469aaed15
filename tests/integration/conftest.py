from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.backend_processes import BackendProcesses
from helpers.sharing import make_once, share_compiled_functions
from helpers.small_experiment import prepare_experiment

share_compiled_functions()


@pytest.fixture(scope="session")
def backend_processes() -> Iterator[BackendProcesses]:
    """One process per backend for all tests of this process."""
    with BackendProcesses() as processes:
        yield processes


@pytest.fixture(scope="session")
def prepared_experiment(tmp_path_factory) -> Path:
    """The project of `helpers.small_experiment`, ready to be trained. Copy it; do not change it."""
    return make_once(tmp_path_factory, "prepared-experiment", prepare_experiment)
