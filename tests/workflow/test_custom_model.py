"""A model of the user's own in every step, and the estimate of an experiment's cost, with the real Snakemake."""

import re

import pandas as pd
import pytest

from helpers.projects import ONE_ROUND, TINY, planned_rules, reuse_preparation, run_snakemake

pytestmark = pytest.mark.workflow

LEAKING_SITE = """
import sys
if "vitbench" in sys.orig_argv:
    raise SystemExit("the caller's own packages are visible")
"""
SHIELDED_MODEL = """
import os
assert os.environ["PYTHONNOUSERSITE"] == "1"
"""


def test_a_custom_model_takes_part_in_every_step_and_no_job_sees_the_callers_packages(prepared_project):
    project = prepared_project
    (project / "leaking").mkdir()
    (project / "leaking" / "sitecustomize.py").write_text(LEAKING_SITE)
    source = project / "examples" / "small_cnn.py"
    source.write_text(source.read_text() + SHIELDED_MODEL)
    results = reuse_preparation(project, "custom", ("data",))
    settings = ("--config", "experiment=custom", "backends=[torch,jax]", "seeds=[0]", ONE_ROUND)
    run_snakemake(project, *TINY, "examples/small_cnn.yaml", *settings, PYTHONPATH=str(project / "leaking"))
    runs, parity = (pd.read_csv(results / "tables" / f"{name}.csv") for name in ("runs", "parity"))
    assert sorted(zip(runs.model, runs.backend, runs.status, strict=True)) == [
        ("small_cnn", "jax", "completed"),
        ("small_cnn", "torch", "completed"),
    ]
    assert parity.passed.all() and set(parity.backend) == {"torch"} and set(parity.reference_backend) == {"jax"}
    assert "small_cnn" in (results / "report.html").read_text()
    source.write_text(source.read_text().replace("range(3)", "range(2)"))
    rules = planned_rules(project, "examples/small_cnn.yaml", *settings)
    assert {"init", "tune", "parity", "train", "throughput"} <= rules


def test_the_estimate_is_a_table_of_every_model_and_backend(prepared_project):
    output = run_snakemake(prepared_project, "estimate", *TINY, "--config", "backends=[torch]")
    (row,) = [line for line in output.splitlines() if re.search(r"vit .*torch", line) and "│" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:2] == ["vit", "torch"] and float(cells[2]) > 0 and cells[3] == "2" and cells[7] == "2"
