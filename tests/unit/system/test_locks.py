"""GPUs handed out to processes that really run at once, and locks that die with their process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vitbench.system import gpus
from vitbench.system.locks import hold_one_of

JOB = """
import os, sys, time
from vitbench.system.gpus import claim_gpu
took = claim_gpu(sys.argv[1])
print(took, os.environ.get("CUDA_VISIBLE_DEVICES"), time.time(), flush=True)
time.sleep(float(sys.argv[2]))
print(time.time(), flush=True)
"""


def job(folder: Path, seconds: float, accelerator: str = "auto", **variables: str) -> subprocess.Popen:
    """A process that takes a GPU, of which this machine seems to have two, and keeps it for so long."""
    source = Path(gpus.__file__).parents[2]
    chosen = {"TMPDIR": str(folder), "PYTHONPATH": str(source), "CUDA_VISIBLE_DEVICES": "4,7"} | variables
    command = [sys.executable, "-c", JOB, accelerator, str(seconds)]
    environment = {k: v for k, v in os.environ.items() if k != "SLURM_JOB_ID"} | chosen
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_jobs_at_once_have_different_gpus_and_one_too_many_waits(tmp_path):
    jobs = [job(tmp_path, 1.0) for _ in range(5)]
    spans: dict[str, list] = {}
    for process in jobs:
        said, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        taken, visible, began, ended = said.split()
        assert taken == visible
        spans.setdefault(taken, []).append((float(began), float(ended)))
    assert set(spans) == {"4", "7"}
    for on_one in spans.values():
        for (_, ended), (began, _) in zip(sorted(on_one), sorted(on_one)[1:], strict=False):
            assert began >= ended


def test_the_gpu_of_a_killed_job_is_free_again(tmp_path):
    killed = job(tmp_path, 60, CUDA_VISIBLE_DEVICES="4")
    assert killed.stdout.readline().startswith("4 ")
    waiting = job(tmp_path, 0, CUDA_VISIBLE_DEVICES="4")
    assert "waiting for a GPU" in waiting.stderr.readline()
    killed.kill()
    assert waiting.communicate(timeout=30)[0].startswith("4 ")
    killed.communicate()


@pytest.mark.parametrize(
    ("accelerator", "variables"),
    [
        ("cpu", {}),
        ("auto", {"CUDA_VISIBLE_DEVICES": "-1"}),
        ("auto", {"SLURM_JOB_ID": "12", "CUDA_VISIBLE_DEVICES": "4"}),
    ],
)
def test_where_there_is_nothing_to_hand_out_nothing_is_changed(tmp_path, accelerator, variables):
    said, error = job(tmp_path, 0, accelerator, **variables).communicate(timeout=30)
    assert said.split()[:2] == ["None", variables.get("CUDA_VISIBLE_DEVICES", "4,7")], error
    assert not list(tmp_path.iterdir())


def test_jobs_within_one_allocation_of_several_gpus_have_different_ones(tmp_path):
    first, second = (job(tmp_path, 2.0, SLURM_JOB_ID="12") for _ in range(2))
    elsewhere = job(tmp_path, 0, SLURM_JOB_ID="13")  # whose GPU 4 is another
    seen = [process.communicate(timeout=60)[0].split()[1] for process in (first, second, elsewhere)]
    assert sorted(seen[:2]) == ["4", "7"] and seen[2] == "4"


def test_a_lock_is_free_when_its_block_ends(tmp_path):
    for _ in range(2):
        with hold_one_of([tmp_path / "a", tmp_path / "b"], "nothing") as file:
            assert file == tmp_path / "a"
            with hold_one_of([tmp_path / "a", tmp_path / "b"], "nothing") as other:
                assert other == tmp_path / "b"
