"""Which jobs get which GPU, with the real Snakemake on a machine that seems to have two."""

import itertools
import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from helpers.projects import TINY, reuse_preparation, run_snakemake

pytestmark = pytest.mark.workflow

SETTINGS = {"experiment": "gpus", "accelerator": "auto", "allow_cpu": True, "backends": ["torch"], "seeds": [0, 1]}


@dataclass(frozen=True)
class Run:
    gpu: str
    started: datetime
    finished: datetime

    def overlaps(self, other: "Run") -> bool:
        return self.started < other.finished and other.started < self.finished


@pytest.fixture(scope="module")
def project(prepared_project) -> Path:
    (prepared_project / "gpus.yaml").write_text(json.dumps(SETTINGS))
    reuse_preparation(prepared_project, "gpus")
    return prepared_project


def train(project: Path, *arguments: str) -> list[Run]:
    """Trains two runs anew, with further arguments for Snakemake."""
    results = Path("results", "gpus")
    folders = [results / f"runs/vit/torch/tuned/float32/seed{seed}" for seed in SETTINGS["seeds"]]
    for part in ("runs", "checkpoints"):
        shutil.rmtree(project / results / part, ignore_errors=True)
    targets = [str(folder / "metrics.json") for folder in folders]
    run_snakemake(project, *arguments, *TINY, "gpus.yaml", "--", *targets, CUDA_VISIBLE_DEVICES="0,1")
    runs = []
    for folder in folders:
        variables = json.loads((project / folder / "environment.json").read_text())["variables"]
        row = json.loads((project / folder / "metrics.json").read_text())
        started, finished = (datetime.fromisoformat(row[key]) for key in ("started_at", "finished_at"))
        runs.append(Run(variables["CUDA_VISIBLE_DEVICES"], started, finished))
    return runs


def test_the_default_profile_runs_one_job_at_a_time(project):
    first, second = train(project)
    assert not first.overlaps(second) and {first.gpu, second.gpu} <= {"0", "1"}


def test_with_two_gpus_two_jobs_run_at_once_on_different_ones(project):
    overlapping = [
        (a, b) for a, b in itertools.combinations(train(project, "--resources", "gpu=2"), 2) if a.overlaps(b)
    ]
    assert overlapping and all(a.gpu != b.gpu for a, b in overlapping)
