"""A GPU is one GPU, by whatever name and wherever the temporary files of a job are."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from helpers.fake_nvml import fake_nvml
from vitbench.system import gpu_claim
from vitbench.system.fingerprint import SOURCE
from vitbench.system.gpu_claim import claim_gpu

TWO_GPUS = {"GetUUID": "GPU-11aa-22"}, {"GetUUID": "GPU-33bb-44", "GetComputeRunningProcesses": ["someone's"]}

HOLD = "from vitbench.system.gpu_claim import claim_gpu; print(claim_gpu('auto'), flush=True); input()"


@pytest.fixture
def claimed_locks(monkeypatch) -> list[Path]:
    """On a machine with two GPUs, the lock files that were claimed, each of which was free."""
    claimed: list[Path] = []

    def claim(files, purpose):
        claimed.append(files[0])
        return files[0]

    monkeypatch.setattr(gpu_claim, "claim_one_of", claim)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(*TWO_GPUS))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "")  # restored after the test
    return claimed


def claim(monkeypatch, name: str) -> str | None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", name)
    return claim_gpu("auto")


def test_the_number_and_the_id_of_a_gpu_are_one_lock(monkeypatch, claimed_locks):
    names = ["0", "GPU-11aa-22", "GPU-1"]
    assert [claim(monkeypatch, name) for name in names] == names  # CUDA sees the name that the user chose
    assert len(set(claimed_locks)) == 1
    claim(monkeypatch, "1")
    assert len(set(claimed_locks)) == 2


def test_without_nvml_the_lock_is_that_of_the_name(monkeypatch, claimed_locks):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    for name in ("0", "GPU-11aa-22", "MIG-GPU-11aa-22/1/0"):
        claim(monkeypatch, name)
    assert len(set(claimed_locks)) == 3 and len({lock.parent for lock in claimed_locks}) == 1


def test_other_processes_on_the_claimed_gpu_are_reported(monkeypatch, claimed_locks):
    warnings: list[str] = []
    monkeypatch.setattr(gpu_claim, "notify", warnings.append)
    claim(monkeypatch, "0")
    assert warnings == []
    claim(monkeypatch, "1")
    assert len(warnings) == 1 and "GPU 1 is shared (other processes: 1)" in warnings[0]


def test_jobs_with_different_temporary_directories_do_not_share_a_gpu(tmp_path):
    name = f"GPU-{uuid.uuid4()}"  # no other test claims it
    jobs = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        variables = {"TMPDIR": str(folder), "PYTHONPATH": str(SOURCE), "CUDA_VISIBLE_DEVICES": name}
        environment = {k: v for k, v in os.environ.items() if k != "SLURM_JOB_ID"} | variables
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        jobs.append(subprocess.Popen([sys.executable, "-c", HOLD], env=environment, text=True, **pipes))
        stream = jobs[-1].stdout if len(jobs) == 1 else jobs[-1].stderr
        assert stream.readline().startswith(name if len(jobs) == 1 else "waiting for a GPU")
    for job in jobs:
        assert job.communicate("\n", timeout=30)[0].strip() in ("", name)
        assert job.returncode == 0
