"""A process imports its backend, and nothing of what Keras takes along where it is installed."""

import json
import subprocess
import sys

import pytest

from helpers.backend_processes import BACKENDS, environment
from vitbench.backends.lean_import import OPTIONAL_PACKAGES

STARTED = """
import json, sys
from vitbench import execution
execution.start(sys.argv[1], "float32", "cpu")
loaded = set(sys.modules)
import matplotlib, pandas, sklearn
print(json.dumps([sorted(loaded), [m.__version__ for m in (matplotlib, pandas, sklearn)]]))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_alone_is_imported_and_the_rest_can_be(backend):
    command = [sys.executable, "-c", STARTED, backend]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    loaded, versions = json.loads(ran.stdout)
    assert set(loaded) & set(OPTIONAL_PACKAGES) == {backend}
    assert all(versions)
