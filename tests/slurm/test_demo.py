"""The demo on a cluster without accounting, as its users run it."""

import itertools
import json
from datetime import datetime

import pandas as pd
import pytest

from helpers.backend_processes import BACKENDS
from helpers.slurm_runs import EDITS, edit_profile, ended, snakemake, until

ACCOUNTING = False
DEMO = ("--configfile", "config.yaml", "workflow/presets/demo.yaml", "gpus.yaml")


@pytest.fixture(scope="module")
def demo(cluster, project):
    edit_profile(project, EDITS)
    # as on a cluster: a GPU for each job, though what is behind it here is none; one seed, for the sake of time
    (project / "gpus.yaml").write_text("accelerator: auto\nallow_cpu: true\nseeds: [0]\n")
    ended(cluster, project, snakemake(cluster, project, *DEMO), seconds=900)
    return project / "results" / "demo"


@pytest.fixture(scope="module")
def jobs(demo) -> list[dict]:
    """When and where each run and measurement was."""
    found = []
    for path in [*demo.glob("runs/*/*/*/*/*/environment.json"), *demo.glob("throughput/*/*/*/*.json")]:
        content = json.loads(path.read_text())
        row = content if "started_at" in content else json.loads((path.parent / "metrics.json").read_text())
        variables = (content.get("environment") or content)["variables"]
        span = [datetime.fromisoformat(row[key]) for key in ("started_at", "finished_at")]
        found.append({"backend": row["backend"], "span": span, "variables": variables})
    return found


def test_everything_completes_and_the_report_is_made(demo):
    for table in ("runs", "throughput"):
        assert set(pd.read_parquet(demo / "tables" / f"{table}.parquet")["status"]) == {"completed"}
    assert pd.read_parquet(demo / "tables" / "failures.parquet").empty
    assert (demo / "report.html").stat().st_size > 100_000


def test_each_job_is_one_of_slurms_and_sees_the_gpu_that_it_was_given(jobs):
    assert len(jobs) > 10
    assert len({job["variables"]["SLURM_JOB_ID"] for job in jobs}) == len(jobs)
    assert {job["variables"]["CUDA_VISIBLE_DEVICES"] for job in jobs} == {"0", "1"}


def test_two_backends_run_at_once(cluster, demo):
    ran = []
    for line in cluster.run("squeue", "--states=all", "--noheader", "--format=%k|%S|%e").stdout.splitlines():
        job, *span = line.strip().split("|")
        ran += [(backend, *map(datetime.fromisoformat, span)) for backend in BACKENDS if f"_{backend}" in job]
    assert {backend for backend, _, _ in ran} == set(BACKENDS)
    assert any(a[0] != b[0] and a[1] < b[2] and b[1] < a[2] for a, b in itertools.combinations(ran, 2))


def test_no_two_jobs_are_on_one_gpu(jobs):
    at_once = [
        (a["variables"], b["variables"])
        for a, b in itertools.combinations(jobs, 2)
        if a["span"][0] < b["span"][1] and b["span"][0] < a["span"][1]
    ]
    assert at_once
    assert all(a["CUDA_VISIBLE_DEVICES"] != b["CUDA_VISIBLE_DEVICES"] for a, b in at_once)


def test_a_login_node_without_a_gpu_submits_and_the_job_says_what_it_lacks(cluster, project, demo):
    (project / "strict.yaml").write_text("experiment: strict\nallow_cpu: false\n")
    run = "results/strict/runs/vit/torch/tuned/float32/seed0/metrics.json"
    process = snakemake(cluster, project, *DEMO, "strict.yaml", "--retries", "0", "--", run)
    logs = project / "results" / "strict" / "logs" / "tune"
    try:
        until(lambda: [log for log in logs.glob("*.log") if "finds no GPU here" in log.read_text()], 120, "the refusal")
    finally:
        process.kill()
    assert "This machine has no GPU" not in (project / "snakemake.log").read_text()
