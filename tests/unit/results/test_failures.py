import json

import pytest

from vitbench.config.schema import Config
from vitbench.report.tables.accuracy import results_table
from vitbench.results.failures import find_failure
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.steps import tables

CONFIG = Config(backends=["jax", "torch"], baseline=None, seeds=[1], models={"resnet50v2": None})
RUN = Job("vit", "torch", "tuned", "float32", 1)


@pytest.fixture
def results(tmp_path) -> Results:
    """An experiment of which every step that `RUN` waits for has left its result, and nothing else."""
    results = Results(tmp_path)
    made = [results.manifest, results.init("vit", 1), results.tune("vit", "torch", "float32")]
    for file in [*made, *(results.parity("vit", backend) for backend in CONFIG.backends)]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"quantities": []}))
    return results


def said(results: Results, step: str, *names: str, lines: str = "loading\n\nno driver\n") -> None:
    log = results.log(step, *names)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(lines)


def failure(results: Results) -> tuple[str, str, str]:
    found = find_failure(CONFIG, results, RUN)
    return found.step, found.status, found.error


def test_a_job_that_was_killed_is_told_with_its_last_words(results):
    said(results, "train", "vit", "torch", "tuned", "float32", "seed1")
    assert failure(results) == ("train", "failed", "train left no result; the last line of its log: no driver")


@pytest.mark.parametrize(
    ("step", "names"),
    [("tune", ("vit", "torch", "float32")), ("parity", ("vit", "torch")), ("parity", ("vit", "jax"))],
)
def test_blame_falls_on_the_step_that_it_waited_for(results, step, names):
    (results.tune if step == "tune" else results.parity)(*names).unlink()
    said(results, step, *names)
    assert failure(results) == (step, "failed", f"{step} left no result; the last line of its log: no driver")


def test_what_was_never_begun_is_missing(results):
    assert failure(results)[:2] == ("train", "missing")


def test_a_job_that_completed_is_no_failure_and_one_that_says_why_says_it(results):
    metrics = RUN.result_path(results)
    metrics.parent.mkdir(parents=True)
    metrics.write_text(json.dumps({"status": "completed", "error": None}))
    assert find_failure(CONFIG, results, RUN) is None
    metrics.write_text(json.dumps({"status": "gated", "error": "parity failed"}))
    assert failure(results) == ("train", "gated", "parity failed")


def test_who_was_trained_though_its_parity_is_not_known_is_marked(results):
    metrics = RUN.result_path(results)
    metrics.parent.mkdir(parents=True)
    row = {"status": "completed", "error": "parity could not be computed: no memory; measured anyway"}
    metrics.write_text(json.dumps(RUN.key_columns(CONFIG) | row | {"test_accuracy": 0.5, "resumptions": 0}))
    found = tables.build_tables(CONFIG, results)
    assert not found["summaries"].set_index("backend").loc["torch", "parity_passed"].any()
    page = results_table(found["runs"], found["parity"], found["summaries"], CONFIG)
    assert page.count("parity failed") == 1


def test_every_job_is_a_row_and_a_failed_command_one_with_the_end_of_its_log(results):
    results.tune("vit", "torch", "float32").unlink()
    said(results, "tune", "vit", "torch", "float32", lines="".join(f"line {i}\n" for i in range(100)))
    found = tables.build_tables(CONFIG, results)
    assert found["runs"].set_index("backend")["status"].to_dict() == {"jax": "missing", "torch": "failed"}
    (row,) = found["failures"].query("status == 'failed'").to_dict("records")
    assert row["jobs"] == 1 + len(CONFIG.timed_executions("vit", "torch")) and row["names"] == "vit · torch · float32"
    assert row["last_lines"].splitlines() == [f"line {i}" for i in range(85, 100)]
