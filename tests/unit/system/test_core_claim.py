"""Processes that really run at the same time compute on different cores."""

import os
import subprocess
import sys

import pytest

from vitbench.system.core_claim import claim_cores, granted_cores
from vitbench.system.environment import usable_cores
from vitbench.system.fingerprint import SOURCE

JOB = """
import sys, time
from vitbench.system.core_claim import claim_cores
from vitbench.system.environment import usable_cores
claimed = claim_cores()
assert usable_cores() == claimed
print(*claimed, time.time(), flush=True)
time.sleep(1)
print(time.time(), flush=True)
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no processor affinity")


@pytest.mark.parametrize(("variable", "granted"), [("1", 1), (None, "all"), ("100000", "all"), ("", "all"), ("0", 1)])
def test_a_job_is_granted_what_the_variable_says_but_not_more_than_it_may_use(monkeypatch, variable, granted):
    if variable is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert granted_cores() == (len(usable_cores()) if granted == "all" else granted)


def test_a_job_that_was_granted_all_cores_keeps_them(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = usable_cores()
    assert claim_cores() == before == usable_cores()


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="this machine has one core")
def test_jobs_with_one_core_each_compute_on_different_ones_and_one_too_many_waits(tmp_path):
    both = set(range(os.cpu_count() or 1)) if len(usable_cores()) < 2 else set(usable_cores())
    pair = sorted(both)[:2]
    command = ["taskset", "--cpu-list", ",".join(map(str, pair)), sys.executable, "-c", JOB]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), "PYTHONPATH": str(SOURCE)}
    jobs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [job.communicate(timeout=60)[0].split() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0]
    claims = sorted((float(started), float(ended), int(core)) for core, started, ended in outputs)
    assert sorted({core for _, _, core in claims}) == pair
    assert claims[2][0] >= min(claims[0][1], claims[1][1])  # the third one waited
