import json

import numpy as np
import pandas as pd
import pytest

from vitbench.config.schema import Config
from vitbench.results.jobs import Job, list_measurements, list_runs
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
    """A finished experiment, in which torch failed parity and was trained anyway, by a plan that was not measured."""
    results = Results(tmp_path)
    write_json(results.manifest, {"class_names": ["a", "b", "c"]})
    for split in ("train", "test"):
        np.save(results.labels(split), np.array([0, 1, 2, 0], np.int32))
    for backend in CONFIG.backends:
        write_json(results.parity("vit", backend), {"quantities": [parity_row(backend, backend == "jax")]})
        plan = {"jit_compile": True}
        candidate = {"plan": plan, "status": "measured" if backend == "jax" else "abandoned"}
        write_json(results.tune("vit", backend, "float32"), {"plan": plan, "candidates": [candidate]})
    write_json(results.init("vit", 1), {})
    for job in list_runs(CONFIG):
        values = {"test_accuracy": 0.5, "train_images_per_second": 10.0, "error": None}
        write_run(results, job, **build_run_record(CONFIG, job, "completed", values, [EPOCH]))
        logits = np.eye(3)[[0, 1, 1, 1]]  # the third and the fourth image are mistaken for b
        save_predictions(results.predictions("vit", job.backend, "tuned", "float32", 1), logits)
        checkpoint = results.checkpoint("vit", job.backend, "tuned", "float32", 1)
        checkpoint.mkdir(parents=True)
    for job in list_measurements(CONFIG):
        speed = 100.0 + job.round_number + (0.5 if job.is_control else 0)
        measurement = {"phase": "train", "batch_size": 64, "status": "completed", "blocks": BLOCKS}
        measurement |= {"images_per_second": speed, "device_peak_flops_per_second": 1e9 * job.round_number}
        measurement |= {"flops_per_image": 1e6, "achieved_flops_per_second": 1e6 * speed}
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


def test_throughput_is_the_geometric_mean_over_rounds_with_their_interval_and_spread(results):
    row = tables.build_tables(CONFIG, results)["throughput"].iloc[0]
    speeds = np.array([101.0, 102.0, 103.0, 104.0, 105.0])
    assert row["rounds"] == 5 and row["images_per_second"] == pytest.approx(np.exp(np.log(speeds).mean()))
    assert 100 < row["images_per_second_ci_low"] < 102 and 104 < row["images_per_second_ci_high"] < 106
    assert row["round_spread"] == pytest.approx(speeds.std(ddof=1) / 103)
    assert 0.1 < row["block_spread"] < 0.12  # of 100, 91 and 80


def test_the_utilisation_is_a_share_of_the_largest_peak_of_all_rounds(results):
    throughput = tables.build_tables(CONFIG, results)["throughput"]
    assert throughput["device_peak_flops_per_second"].tolist() == [5e9, 5e9]
    assert throughput["mfu"].tolist() == pytest.approx([1e6 * speed / 5e9 for speed in throughput["images_per_second"]])


def test_every_round_is_a_row_and_the_control_says_how_much_equal_measurements_differ(results):
    built = tables.build_tables(CONFIG, results)
    assert len(built["rounds"]) == 15 and built["rounds"]["control"].sum() == 5
    (control,) = built["controls"].to_dict("records")
    assert (control["backend"], control["n"]) == ("jax", 5)
    assert control["difference"] == pytest.approx(0.5 / 103, rel=0.02)
    assert control["ratio"] == pytest.approx(1 - 0.5 / 103, rel=0.001)


def test_a_round_that_failed_is_a_row_and_does_not_count(results):
    failed = Job("vit", "torch", "tuned", "float32", round="2")
    write_throughput(CONFIG, results, failed, "failed", {"error": "ValueError: 7"})
    Job("vit", "torch", "tuned", "float32", round="3").result_path(results).unlink()
    built = tables.build_tables(CONFIG, results)
    rounds = built["rounds"].query("backend == 'torch'").set_index("round")
    assert rounds["status"].to_dict() == {1: "completed", 2: "failed", 3: "missing", 4: "completed", 5: "completed"}
    (row,) = built["throughput"].query("backend == 'torch'").to_dict("records")
    assert row["status"] == "completed" and row["rounds"] == 3
    assert built["comparisons"].query("metric == 'train_images_per_second'")["n"].tolist() == [3]


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
    unfinished = Job("vit", "torch", "tuned", "float32", round="4").result_path(results)
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


def test_tuned_rows_say_whether_tune_measured_their_plan(results):
    built = tables.build_tables(CONFIG, results)
    for name in ("runs", "throughput", "rounds"):
        table = built[name]
        assert table.groupby("backend")["plan_measured"].unique().map(list).to_dict() == {
            "jax": [True],
            "torch": [False],
        }


def test_other_execution_modes_have_no_plan_that_could_be_measured(results):
    config = CONFIG.model_copy(update={"executions": CONFIG.executions.model_copy(update={"throughput": ["native"]})})
    assert tables.build_tables(config, results)["throughput"]["plan_measured"].isna().all()
