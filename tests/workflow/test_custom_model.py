"""The real Snakemake with a model that a user brings, and the estimate of what an experiment will cost."""

import re
from pathlib import Path

import pandas as pd
import pytest

from helpers.projects import TINY, copied, planned, snakemake

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return copied(tmp_path_factory.mktemp("project"))


LEAKING = """
import sys
if "vitbench" in sys.orig_argv:
    raise SystemExit("the caller's own packages leak in")
"""
SHIELDED = """
import os
assert os.environ["PYTHONNOUSERSITE"] == "1"
"""


def test_a_users_own_model_takes_part_in_every_step(project):
    """In spite of what its user has lying about for Python to find, which no job sees."""
    (project / "leaking").mkdir()
    (project / "leaking" / "sitecustomize.py").write_text(LEAKING)
    source = project / "examples" / "small_cnn.py"
    source.write_text(source.read_text() + SHIELDED)
    settings = "--config", "experiment=own", "backends=[torch,jax]", "seeds=[0]"
    ran = snakemake(project, *TINY, "examples/small_cnn.yaml", *settings, PYTHONPATH=str(project / "leaking"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    own = project / "results" / "own"
    runs, parity = (pd.read_csv(own / "tables" / f"{name}.csv") for name in ("runs", "parity"))
    assert sorted(zip(runs.model, runs.backend, runs.status, strict=True)) == [
        ("small_cnn", "jax", "completed"),
        ("small_cnn", "torch", "completed"),
    ]
    assert parity.passed.all() and set(parity.backend) == {"torch"} and set(parity.reference_backend) == {"jax"}
    assert "small_cnn" in (own / "report.html").read_text()
    source.write_text(source.read_text().replace("range(3)", "range(2)"))
    assert {"init", "tune", "parity", "train", "throughput"} <= planned(project, "examples/small_cnn.yaml", *settings)


def test_the_estimate_is_a_table_of_every_contestant(project):
    ran = snakemake(project, "estimate", *TINY, "--config", "backends=[torch]")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (row,) = [line for line in ran.stdout.splitlines() if re.search(r"vit .*torch", line) and "│" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:2] == ["vit", "torch"] and float(cells[2]) > 0 and cells[3] == "2" and cells[7] == "2"
    assert "in total, one job at a time" in ran.stdout
