"""The demo on a cluster without accounting, as its users run it."""

import itertools
import json
from datetime import datetime

import pandas as pd
import pytest

from helpers.backend_processes import BACKENDS
from helpers.slurm_runs import EDITS, edit_profile, start_snakemake, wait_until_done
from helpers.waiting import wait_until

ACCOUNTING = False
DEMO = ("--configfile", "config.yaml", "workflow/presets/demo.yaml", "gpus.yaml")


@pytest.fixture(scope="module")
def demo(cluster, project):
    edit_profile(project, EDITS)
    # The cluster gives each job a GPU, which is simulated here. One seed and one round save time.
    (project / "gpus.yaml").write_text(
        "accelerator: auto\nallow_cpu: true\nseeds: [0]\nthroughput: {rounds: 1, control: false}\n"
    )
    wait_until_done(cluster, project, start_snakemake(cluster, project, *DEMO), seconds=900)
    return project / "results" / "demo"


@pytest.fixture(scope="module")
def jobs(demo) -> list[dict]:
    """When and on which GPU each run and measurement took place."""
    rows = []
    for path in [*demo.glob("runs/*/*/*/*/*/environment.json"), *demo.glob("throughput/*/*/*/*/*.json")]:
        content = json.loads(path.read_text())
        row = content if "started_at" in content else json.loads((path.parent / "metrics.json").read_text())
        variables = (content.get("environment") or content)["variables"]
        span = [datetime.fromisoformat(row[key]) for key in ("started_at", "finished_at")]
        rows.append({"backend": row["backend"], "span": span, "variables": variables})
    return rows


def test_all_jobs_complete_and_the_report_is_generated(demo):
    for table in ("runs", "throughput"):
        assert set(pd.read_parquet(demo / "tables" / f"{table}.parquet")["status"]) == {"completed"}
    assert pd.read_parquet(demo / "tables" / "failures.parquet").empty
    assert (demo / "report.html").stat().st_size > 100_000


def test_each_job_is_a_job_of_slurm_and_sees_the_gpu_that_slurm_gave_it(jobs):
    assert len(jobs) > 10
    assert len({job["variables"]["SLURM_JOB_ID"] for job in jobs}) == len(jobs)
    assert {job["variables"]["CUDA_VISIBLE_DEVICES"] for job in jobs} == {"0", "1"}


def test_two_backends_run_at_the_same_time(cluster, demo):
    spans = []
    for line in cluster.run("squeue", "--states=all", "--noheader", "--format=%k|%S|%e").stdout.splitlines():
        job, *span = line.strip().split("|")
        spans += [(backend, *map(datetime.fromisoformat, span)) for backend in BACKENDS if f"_{backend}" in job]
    assert {backend for backend, _, _ in spans} == set(BACKENDS)
    assert any(a[0] != b[0] and a[1] < b[2] and b[1] < a[2] for a, b in itertools.combinations(spans, 2))


def test_jobs_that_run_at_the_same_time_use_different_gpus(jobs):
    simultaneous = [
        (a["variables"], b["variables"])
        for a, b in itertools.combinations(jobs, 2)
        if a["span"][0] < b["span"][1] and b["span"][0] < a["span"][1]
    ]
    assert simultaneous
    assert all(a["CUDA_VISIBLE_DEVICES"] != b["CUDA_VISIBLE_DEVICES"] for a, b in simultaneous)


def test_a_login_node_without_a_gpu_submits_jobs_and_a_job_without_a_gpu_fails(cluster, project, demo):
    (project / "strict.yaml").write_text("experiment: strict\nallow_cpu: false\n")
    run = "results/strict/runs/vit/torch/tuned/float32/seed0/metrics.json"
    process = start_snakemake(cluster, project, *DEMO, "strict.yaml", "--retries", "0", "--", run)
    logs = project / "results" / "strict" / "logs" / "tune"
    try:
        wait_until(lambda: any("finds no GPU here" in log.read_text() for log in logs.glob("*.log")), 120, "the error")
    finally:
        process.kill()
    assert "This machine has no GPU" not in (project / "snakemake.log").read_text()
