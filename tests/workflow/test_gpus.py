"""The real Snakemake on a machine that seems to have two GPUs: who gets which."""

import itertools
import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from helpers.projects import TINY, copied, snakemake

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return copied(tmp_path_factory.mktemp("project"))


def trained(project: Path, *arguments: str) -> list[tuple[str, datetime, datetime]]:
    """The GPU, the beginning and the end of three runs, each trained anew."""
    settings = {
        "experiment": "gpus",
        "accelerator": "auto",
        "allow_cpu": True,
        "backends": ["torch"],
        "seeds": [0, 1, 2],
    }
    (project / "gpus.yaml").write_text(json.dumps(settings))
    folders = [Path("results", "gpus", f"runs/vit/torch/tuned/float32/seed{seed}") for seed in settings["seeds"]]
    for left in ("runs", "checkpoints"):
        shutil.rmtree(project / "results/gpus" / left, ignore_errors=True)
    arguments += ("--configfile", "config.yaml", TINY[2], "gpus.yaml", "--")
    arguments += tuple(str(folder / "metrics.json") for folder in folders)
    ran = snakemake(project, *arguments, CUDA_VISIBLE_DEVICES="0,1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = []
    for folder in folders:
        variables = json.loads((project / folder / "environment.json").read_text())["variables"]
        row = json.loads((project / folder / "metrics.json").read_text())
        span = (datetime.fromisoformat(row[key]) for key in ("started_at", "finished_at"))
        found.append((variables["CUDA_VISIBLE_DEVICES"], *span))
    return found


def at_once(runs: list[tuple[str, datetime, datetime]]) -> list[tuple[str, str]]:
    """The GPUs of each two runs that overlap."""
    return [(a[0], b[0]) for a, b in itertools.combinations(runs, 2) if a[1] < b[2] and b[1] < a[2]]


def test_the_default_profile_hands_out_one_device_at_a_time(project):
    runs = trained(project)
    assert at_once(runs) == [] and {gpu for gpu, *_ in runs} <= {"0", "1"}


def test_two_jobs_run_on_two_different_devices(project):
    pairs = at_once(trained(project, "--resources", "gpu=2"))
    assert pairs and all(a != b for a, b in pairs)
