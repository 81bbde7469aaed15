import json

import numpy as np
import pandas as pd
import pytest

from vitbench.config.schema import Config
from vitbench.results.jobs import Job, list_jobs
from vitbench.results.paths import Results
from vitbench.results.predictions import save_predictions
from vitbench.results.schema import COLUMNS, EPOCH_COLUMNS
from vitbench.results.writers import build_run_record, write_run, write_throughput
from vitbench.steps import tables
from vitbench.system.files import write_json

CONFIG = Config(
    backends=["jax", "torch"],
    baseline=None,
    seeds=[1],
    models={"resnet50v2": None},
    executions={"train": ["tuned"], "throughput": ["tuned"]},
)
EPOCH = dict.fromkeys(EPOCH_COLUMNS, 0.5) | {"epoch": 1, "resumed": False}
BLOCKS = [{"images": 100, "seconds": seconds} for seconds in (1.0, 1.1, 1.25)]


def parity_row(backend: str, passed: bool) -> dict:
    return {
        "model": "vit",
        "backend": backend,
        "execution": "tuned",
        "precision": "float32",
        "reference_backend": "jax",
        "quantity": "logits",
        "passed": passed,
    }


@pytest.fixture
def results(tmp_path) -> Results:
    """A finished experiment, in which torch failed parity and was trained anyway."""
    results = Results(tmp_path)
    write_json(results.manifest, {"class_names": ["a", "b", "c"]})
    for split in ("train", "test"):
        np.save(results.labels(split), np.array([0, 1, 2, 0], np.int32))
    for backend in CONFIG.backends:
        write_json(results.parity("vit", backend), {"quantities": [parity_row(backend, backend == "jax")]})
        write_json(results.tune("vit", backend, "float32"), {})
    write_json(results.init("vit", 1), {})
    runs, measurements = list_jobs(CONFIG)
    for job in runs:
        values = {"test_accuracy": 0.5, "train_images_per_second": 10.0, "error": None}
        write_run(results, job, **build_run_record(CONFIG, job, "completed", values, [EPOCH]))
        logits = np.eye(3)[[0, 1, 1, 1]]  # the third and the fourth image are mistaken for b
        save_predictions(results.predictions("vit", job.backend, "tuned", "float32", 1), logits)
        checkpoint = results.checkpoint("vit", job.backend, "tuned", "float32", 1)
        checkpoint.mkdir(parents=True)
    for job in measurements:
        measurement = {"phase": "train", "batch_size": 64, "status": "completed", "blocks": BLOCKS}
        write_throughput(CONFIG, results, job, "completed", {"measurements": [measurement]})
    return results


def test_every_table_has_its_columns_and_is_written_as_csv_and_parquet(results):
    tables.run(CONFIG, results)
    for name, columns in COLUMNS.items():
        parquet, csv = pd.read_parquet(results.tables / f"{name}.parquet"), pd.read_csv(results.tables / f"{name}.csv")
        assert set(parquet.columns) == set(columns) and set(csv.columns) == set(columns)
        assert len(parquet) == len(csv)
    assert Config.model_validate(json.loads((results.root / "config.json").read_text())) == CONFIG


def test_each_run_epoch_and_measurement_is_a_row(results):
    built = tables.build_tables(CONFIG, results)
    assert built["runs"]["backend"].tolist() == built["epochs"]["backend"].tolist() == ["jax", "torch"]
    assert built["throughput"][["phase", "batch_size"]].to_numpy().tolist() == [["train", 64]] * 2
    assert built["failures"].empty


def test_throughput_has_the_interval_of_its_blocks(results):
    row = tables.build_tables(CONFIG, results)["throughput"].iloc[0]
    assert 80 <= row["images_per_second_ci_low"] <= row["images_per_second_ci_high"] <= 100


def test_rows_and_verdicts_of_a_backend_that_failed_parity_are_marked(results):
    built = tables.build_tables(CONFIG, results)
    for name in ("epochs", "summaries"):
        assert built[name].groupby("backend")["parity_passed"].all().to_dict() == {"jax": True, "torch": False}
    assert len(built["comparisons"]) and built["comparisons"]["verdict"].str.endswith("; parity failed").all()


def test_confusions_name_the_classes_with_their_share(results):
    confusions = tables.build_tables(CONFIG, results)["confusions"]
    pairs = confusions[confusions["backend"] == "jax"][["true_class", "predicted_class", "images", "share"]]
    assert pairs.to_numpy().tolist() == [["a", "b", 1, 0.5], ["c", "b", 1, 1.0]]


def test_checkpoints_are_deleted_once_every_job_has_a_result(results):
    checkpoint = results.checkpoint("vit", "jax", "tuned", "float32", 1)
    unfinished = Job("vit", "torch", "tuned", "float32").result_path(results)
    content = unfinished.read_text()
    unfinished.unlink()
    tables.run(CONFIG, results)
    assert checkpoint.exists()
    unfinished.write_text(content)
    tables.run(CONFIG, results)
    assert not checkpoint.exists()


def test_jobs_that_the_config_no_longer_asks_for_are_left_out(results):
    started = "2026-01-01T00:00:00+00:00"
    for name, backend in (("a", "torch"), ("b", "tensorflow")):
        job = {"step": "train", "model": "vit", "backend": backend, "execution": "tuned", "precision": "float32"}
        write_json(results.root / "logs" / f"{name}.json", job | {"seed": 1, "started_at": started})
    write_json(results.root / "logs" / "data.json", {"step": "data", "started_at": started})
    jobs = tables.build_tables(CONFIG, results)["jobs"]
    assert sorted(jobs["step"]) == ["data", "train"] and "tensorflow" not in set(jobs["backend"])
