"""A process imports its own backend, and none of the packages that Keras imports only because they are installed."""

import json
import subprocess
import sys

import pytest

from helpers.backend_processes import BACKENDS, subprocess_environment
from vitbench.backends.lean_import import OPTIONAL_PACKAGES

PROGRAM = """
import json, sys
from vitbench.backends.process import start_backend
start_backend(sys.argv[1], "float32", "cpu")
loaded = set(sys.modules)
import matplotlib, pandas, sklearn
print(json.dumps([sorted(loaded), [m.__version__ for m in (matplotlib, pandas, sklearn)]]))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_backend_is_imported_and_the_other_packages_can_be_imported_later(backend):
    command = [sys.executable, "-c", PROGRAM, backend]
    process = subprocess.run(command, env=subprocess_environment(), capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    loaded, versions = json.loads(process.stdout)
    assert set(loaded) & {*OPTIONAL_PACKAGES, *BACKENDS} == {backend}
    assert all(versions)
