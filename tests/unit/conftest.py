import os

import pytest

from helpers.backend_processes import VARIABLES
from helpers.sharing import share_compiled_functions

share_compiled_functions()
os.environ.update(VARIABLES)  # before the first test uses JAX


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch):
    """statsmodels collects garbage at every correction of p-values. With a framework loaded, that takes 0.15 s."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)
