"""Every backend computes with one thread on each core that a job was granted, and with no more."""

import os
import subprocess
import sys

import pytest

from helpers.backend_processes import BACKENDS, subprocess_environment

PROGRAM = """
import os, sys
os.sched_setaffinity(0, [int(core) for core in sys.argv[2].split(",")])
from vitbench.system.core_claim import claim_cores
cores = claim_cores()
from vitbench.backends.process import current_backend, start_backend
start_backend(sys.argv[1], "float32", "cpu")
print(len(cores), len(os.sched_getaffinity(0)), current_backend().threads())
"""
CORES = range(os.cpu_count() or 1)

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(CORES) < 2, reason="this machine has one core, or no processor affinity"
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("granted", [1, 2])
def test_a_backend_computes_with_as_many_threads_as_cores_were_granted(tmp_path, backend, granted):
    variables = {"OMP_NUM_THREADS": str(granted), "TMPDIR": str(tmp_path)}  # as Snakemake exports the rule's threads
    command = [sys.executable, "-c", PROGRAM, backend, "0,1"]
    environment = subprocess_environment() | variables
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == [str(granted)] * 3
