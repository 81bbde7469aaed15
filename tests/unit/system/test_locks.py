"""Processes that really run at the same time get different GPUs, and their locks end with them."""

import errno
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from vitbench.system.fingerprint import SOURCE
from vitbench.system.locks import hold_one_of

JOB = """
import os, sys, time
from pathlib import Path
from vitbench.system.gpu_claim import claim_gpu
gpu = claim_gpu(sys.argv[1], Path(os.environ["TMPDIR"]))
print(gpu, os.environ.get("CUDA_VISIBLE_DEVICES"), time.time(), flush=True)
time.sleep(float(sys.argv[2]))
print(time.time(), flush=True)
"""


def start_job(folder: Path, seconds: float, accelerator: str = "auto", **variables: str) -> subprocess.Popen:
    """A process that claims a GPU for `seconds`, on a machine that seems to have the GPUs 4 and 7."""
    settings = {"TMPDIR": str(folder), "PYTHONPATH": str(SOURCE), "CUDA_VISIBLE_DEVICES": "4,7"} | variables
    command = [sys.executable, "-c", JOB, accelerator, str(seconds)]
    environment = {k: v for k, v in os.environ.items() if k != "SLURM_JOB_ID"} | settings
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_claims(jobs: list[subprocess.Popen]) -> dict[str, list[tuple[float, float]]]:
    """When each GPU was claimed: a start and an end per job, seconds."""
    claims: dict[str, list[tuple[float, float]]] = {}
    for process in jobs:
        output, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        gpu, visible, started, ended = output.split()
        assert gpu == visible
        claims.setdefault(gpu, []).append((float(started), float(ended)))
    return claims


def assert_one_at_a_time(claims: list[tuple[float, float]]) -> None:
    claims = sorted(claims)
    for (_, ended), (started, _) in pairwise(claims):
        assert started >= ended


def wait_until_empty(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and list(folder.iterdir()):
        time.sleep(0.1)
    assert list(folder.iterdir()) == []


def test_simultaneous_jobs_get_different_gpus_and_one_too_many_waits(tmp_path):
    claims = wait_for_claims([start_job(tmp_path, 1.0) for _ in range(5)])
    assert set(claims) == {"4", "7"}
    for claims_of_one_gpu in claims.values():
        assert_one_at_a_time(claims_of_one_gpu)
    wait_until_empty(tmp_path)


def test_jobs_do_not_share_a_gpu_while_its_lock_file_is_removed_and_created_again(tmp_path):
    claims = wait_for_claims([start_job(tmp_path, 0.01, CUDA_VISIBLE_DEVICES="4") for _ in range(8)])
    assert len(claims["4"]) == 8
    assert_one_at_a_time(claims["4"])
    wait_until_empty(tmp_path)


def test_the_gpu_of_a_killed_job_is_free_again(tmp_path):
    killed = start_job(tmp_path, 60, CUDA_VISIBLE_DEVICES="4")
    assert killed.stdout.readline().startswith("4 ")
    waiting = start_job(tmp_path, 0, CUDA_VISIBLE_DEVICES="4")
    assert "waiting for a GPU" in waiting.stderr.readline()
    killed.kill()
    assert waiting.communicate(timeout=30)[0].startswith("4 ")
    killed.communicate()
    wait_until_empty(tmp_path)


@pytest.mark.parametrize(
    ("accelerator", "variables"),
    [
        ("cpu", {}),
        ("auto", {"CUDA_VISIBLE_DEVICES": "-1"}),
        ("auto", {"SLURM_JOB_ID": "12", "CUDA_VISIBLE_DEVICES": "4"}),
    ],
)
def test_a_job_without_a_choice_of_gpus_claims_none_and_changes_no_variable(tmp_path, accelerator, variables):
    output, error = start_job(tmp_path, 0, accelerator, **variables).communicate(timeout=30)
    assert output.split()[:2] == ["None", variables.get("CUDA_VISIBLE_DEVICES", "4,7")], error
    assert not list(tmp_path.iterdir())


def test_jobs_within_one_allocation_get_different_gpus(tmp_path):
    first, second = (start_job(tmp_path, 2.0, SLURM_JOB_ID="12") for _ in range(2))
    other = start_job(tmp_path, 0, SLURM_JOB_ID="13")  # whose GPU 4 is another one
    gpus = [process.communicate(timeout=60)[0].split()[1] for process in (first, second, other)]
    assert sorted(gpus[:2]) == ["4", "7"] and gpus[2] == "4"


def test_a_lock_is_free_when_its_block_ends(tmp_path):
    for _ in range(2):
        with hold_one_of([tmp_path / "a", tmp_path / "b"], "nothing") as file:
            assert file == tmp_path / "a"
            with hold_one_of([tmp_path / "a", tmp_path / "b"], "nothing") as other:
                assert other == tmp_path / "b"


def test_a_file_system_without_locks_does_not_stop_a_job(tmp_path, monkeypatch):
    def fail(descriptor, blocking):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("vitbench.system.locks.lock_descriptor", fail)
    with hold_one_of([tmp_path / "a"], "nothing") as file, hold_one_of([tmp_path / "a"], "nothing") as other:
        assert file == other == tmp_path / "a"


def test_another_error_of_a_lock_is_raised(tmp_path, monkeypatch):
    def fail(descriptor, blocking):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("vitbench.system.locks.lock_descriptor", fail)
    with pytest.raises(OSError, match="Input/output error"), hold_one_of([tmp_path / "a"], "nothing"):
        pass


def test_the_lock_file_of_another_user_can_be_locked(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    open_as_usual = os.open

    def open_for_reading_only(path, flags, *arguments, **options):
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_as_usual(path, flags, *arguments, **options)

    files = [tmp_path / "a", tmp_path / "b"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_for_reading_only)
        with hold_one_of(files, "nothing") as file:
            assert file == tmp_path / "a"
            patch.undo()
            with hold_one_of(files, "nothing") as other:
                assert other == tmp_path / "b"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_other_users_may_open_a_lock_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        with hold_one_of([tmp_path / "a"], "nothing") as file:
            assert file.stat().st_mode & 0o666 == 0o666
    finally:
        os.umask(before)
