import csv
import math

import pytest

from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.schema import EPOCH_COLUMNS, KEY_COLUMNS, RUN_COLUMNS
from vitbench.results.writers import build_run_record, replace_nonfinite, write_run, write_unfinished
from vitbench.system.files import read_json

CONFIG = Config()
RUN = Job("vit", "jax", "tuned", "float32", 1)


@pytest.fixture
def results(tmp_path) -> Results:
    return Results(tmp_path)


def test_a_run_is_written_with_every_column(results):
    epoch = dict.fromkeys(EPOCH_COLUMNS, 0.5) | {"epoch": 1, "loss": math.nan}
    record = build_run_record(CONFIG, RUN, "completed", {"test_accuracy": 0.5, "audit": {"seed": 1}}, [epoch])
    write_run(results, RUN, **record)
    directory = RUN.result_path(results).parent
    row = read_json(directory / "metrics.json")
    assert list(row) == RUN_COLUMNS
    assert (row["status"], row["epochs"], row["test_accuracy"]) == ("completed", 1, 0.5)
    with (directory / "history.csv").open(newline="") as file:
        (history,) = csv.DictReader(file)
    assert list(history) == EPOCH_COLUMNS and (history["epoch"], history["loss"]) == ("1", "")
    assert read_json(directory / "environment.json")["execution"] == {"seed": 1}


@pytest.mark.parametrize("job", [RUN, Job("vit", "jax", "native", "float32", round="1")], ids=str)
def test_a_job_that_did_not_complete_is_a_row_with_the_reason(results, job):
    write_unfinished(CONFIG, results, job, "failed", "ValueError: no room")
    row = read_json(job.result_path(results))
    assert (row["status"], row["error"]) == ("failed", "ValueError: no room")
    assert set(KEY_COLUMNS) <= set(row) and row["config_sha256"] == CONFIG.digest()


def test_values_that_are_not_finite_become_null():
    assert replace_nonfinite({"a": math.nan, "b": math.inf, "c": 1.5, "d": "text", "e": None}) == {
        "a": None,
        "b": None,
        "c": 1.5,
        "d": "text",
        "e": None,
    }
