"""Why a job did not complete, and how the tables and the report show it."""

import json
import os

import pytest

from vitbench.config.schema import Config
from vitbench.report.tables.accuracy import results_table
from vitbench.results.failures import find_failure
from vitbench.results.jobs import Job, list_measurements
from vitbench.results.paths import Results
from vitbench.results.tables import load_table
from vitbench.steps import tables

CONFIG = Config(backends=["jax", "torch"], baseline=None, seeds=[1], models={"resnet50v2": None})
RUN = Job("vit", "torch", "tuned", "float32", 1)


@pytest.fixture
def results(tmp_path) -> Results:
    """An experiment in which every step that `RUN` depends on has left its result, and no other step has."""
    results = Results(tmp_path)
    files = [results.manifest, results.init("vit", 1), results.tune("vit", "torch", "float32")]
    for file in [*files, *(results.parity("vit", backend) for backend in CONFIG.backends)]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"quantities": []}))
    return results


def write_log(results: Results, step: str, *names: str, lines: str = "loading\n\nno driver\n") -> None:
    log = results.log(step, *names)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(lines)


def write_metrics(results: Results, content: dict) -> None:
    metrics = RUN.result_path(results)
    metrics.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text(json.dumps(content))


def step_status_error(results: Results) -> tuple[str, str, str]:
    failure = find_failure(CONFIG, results, RUN)
    return failure.step, failure.status, failure.error


def test_the_failure_of_a_killed_job_has_the_last_line_of_its_log(results):
    write_log(results, "train", "vit", "torch", "tuned", "float32", "seed1")
    assert step_status_error(results) == (
        "train",
        "failed",
        "train left no result; the last line of its log: no driver",
    )


@pytest.mark.parametrize(
    ("step", "names"),
    [("tune", ("vit", "torch", "float32")), ("parity", ("vit", "torch")), ("parity", ("vit", "jax"))],
)
def test_the_failure_names_the_first_step_without_a_result(results, step, names):
    path = results.tune(*names) if step == "tune" else results.parity(*names)
    path.unlink()
    write_log(results, step, *names)
    error = f"{step} left no result; the last line of its log: no driver"
    assert step_status_error(results) == (step, "failed", error)


def test_the_failure_of_an_environment_has_the_last_error_of_its_creation(results):
    write_log(results, "train", "vit", "torch", "tuned", "float32", "seed1", lines="")  # Snakemake creates the file
    write_log(results, "environment", "torch", lines="Pip subprocess error:\nERROR: no torch==2.99\n\n  bye\n")
    assert step_status_error(results) == (
        "environment",
        "failed",
        "conda could not create the environment: ERROR: no torch==2.99",
    )


def test_a_job_that_started_after_the_creation_of_its_environment_failed_has_its_own_failure(results):
    write_log(results, "environment", "torch")
    os.utime(results.log("environment", "torch"), (0, 0))
    write_log(results, "train", "vit", "torch", "tuned", "float32", "seed1")
    assert step_status_error(results)[0] == "train"


def test_the_failed_environment_of_another_backend_is_not_the_failure(results):
    write_log(results, "environment", "jax")
    assert step_status_error(results)[:2] == ("train", "missing")


def test_the_failed_environment_of_the_reference_is_the_failure_of_a_job_that_needs_the_reference(results):
    results.parity("vit", "jax").unlink()
    write_log(results, "environment", "jax")
    assert find_failure(CONFIG, results, RUN).names == ("jax",)


def test_a_job_that_did_not_start_is_missing(results):
    assert step_status_error(results)[:2] == ("train", "missing")


def test_a_completed_job_has_no_failure(results):
    write_metrics(results, {"status": "completed", "error": None})
    assert find_failure(CONFIG, results, RUN) is None


def test_a_gated_job_has_the_error_that_it_recorded(results):
    write_metrics(results, {"status": "gated", "error": "parity failed"})
    assert step_status_error(results) == ("train", "gated", "parity failed")


def test_a_run_that_was_trained_although_its_parity_is_unknown_is_marked(results):
    error = "parity could not be computed: no memory; measured anyway"
    row = {"status": "completed", "error": error, "test_accuracy": 0.5, "resumptions": 0}
    write_metrics(results, RUN.key_columns(CONFIG) | row)
    tables.run(CONFIG, results)
    summaries = load_table(results, "summaries")
    assert not summaries.set_index("backend").loc["torch", "parity_passed"].any()
    page = results_table(load_table(results, "runs"), load_table(results, "parity"), summaries, CONFIG)
    assert page.count("parity failed") == 1


def test_every_job_is_a_row_and_a_failed_command_is_one_with_the_end_of_its_log(results):
    results.tune("vit", "torch", "float32").unlink()
    write_log(results, "tune", "vit", "torch", "float32", lines="".join(f"line {i}\n" for i in range(100)))
    built = tables.build_tables(CONFIG, results)
    assert built["runs"].set_index("backend")["status"].to_dict() == {"jax": "missing", "torch": "failed"}
    (row,) = built["failures"].query("status == 'failed'").to_dict("records")
    assert (
        row["jobs"] == 1 + sum(job.backend == "torch" for job in list_measurements(CONFIG))
        and row["names"] == "vit · torch · float32"
    )
    assert row["last_lines"].splitlines() == [f"line {i}" for i in range(85, 100)]
