"""The tiny experiment with all three backends and the real Snakemake, and what a second call repeats."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.backend_processes import BACKENDS
from helpers.projects import TINY, planned_rules, run_snakemake
from vitbench.results.predictions import load_predictions
from vitbench.results.schema import COLUMNS, EPOCH_COLUMNS, FIGURES, RUN_COLUMNS

pytestmark = pytest.mark.workflow

SEEDS = (0, 1)
RUN_FILES = ("metrics.json", "history.csv", "environment.json", "best.weights.h5", "predictions.npz")


@pytest.fixture(scope="module")
def project(prepared_project) -> Path:
    """A copy of the project in which the tiny experiment has run to its end."""
    output = run_snakemake(prepared_project, *TINY)
    (prepared_project / "output.txt").write_text(output)
    return prepared_project


@pytest.fixture(scope="module")
def results(project) -> Path:
    return project / "results" / "tiny"


def load_table(results: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(results / "tables" / f"{name}.parquet")


def test_every_result_has_its_place(results):
    expected = ["config.json", "data/manifest.json", "report.html", "report.ipynb"]
    expected += [f"init/vit-seed{seed}.weights.h5" for seed in SEEDS]
    for backend in BACKENDS:
        expected += [f"tune/vit/{backend}/float32.json", f"parity/vit/{backend}.json"]
        expected += [f"throughput/vit/{backend}/tuned/float32/round{number}.json" for number in (1, 2)]
        expected += [f"throughput/vit/{backend}/native/float32/round1.json"]
        for seed in SEEDS:
            expected += [f"runs/vit/{backend}/tuned/float32/seed{seed}/{name}" for name in RUN_FILES]
    for name in COLUMNS:
        expected += [f"tables/{name}.csv", f"tables/{name}.parquet"]
    expected += [f"figures/{name}.svg" for name in FIGURES]
    assert [name for name in expected if not (results / name).is_file()] == []


def test_no_temporary_file_is_left(results):
    assert [p for p in results.rglob(".*") if p.name != ".snakemake_timestamp"] == []


def test_the_report_is_small_enough_for_an_email(results):
    assert 100_000 < (results / "report.html").stat().st_size < 5e6


def test_every_run_is_a_completed_row_with_every_column(results):
    runs = load_table(results, "runs")
    assert list(runs.columns) == RUN_COLUMNS
    assert sorted(zip(runs.backend, runs.seed, strict=True)) == sorted((b, s) for b in BACKENDS for s in SEEDS)
    assert set(runs.status) == {"completed"}, runs.error.tolist()
    may_be_empty = {"peak_device_memory_bytes", "error", "git_commit"}
    assert [c for c in runs.columns if c not in may_be_empty and runs[c].isna().any()] == []
    assert runs.test_accuracy.between(0, 1).all() and (runs.train_images_per_second > 0).all()
    assert (runs.parameters == runs.parameters[0]).all()


def test_compilations_for_the_test_images_are_not_counted_as_during_timed_epochs(results):
    audits = [json.loads(path.read_text())["execution"] for path in results.glob("runs/**/environment.json")]
    assert [audit["compilations_while_timed"] for audit in audits] == [0] * 6


def test_accuracies_can_be_computed_from_the_predictions(results):
    labels = np.load(results / "data" / "y_test.npy")
    for run in load_table(results, "runs").itertuples():
        folder = results / "runs" / run.model / run.backend / run.execution / run.precision / f"seed{run.seed}"
        classes, probabilities = load_predictions(folder / "predictions.npz")
        tolerance = 1.5 / len(labels)
        assert (classes[:, 0] == labels).mean() == pytest.approx(run.test_accuracy, abs=tolerance)
        top5_accuracy = (classes == labels[:, None]).any(axis=1).mean()
        assert top5_accuracy == pytest.approx(run.test_top5_accuracy, abs=tolerance)
        assert (np.diff(probabilities, axis=1) <= 0).all()


def test_every_epoch_is_a_row(results):
    epochs = load_table(results, "epochs")
    assert len(epochs) == 3 * 2 * 2
    assert not epochs[EPOCH_COLUMNS].isna().any(axis=None)


def test_csv_and_parquet_hold_the_same(results):
    for parquet in (results / "tables").glob("*.parquet"):
        left, right = pd.read_parquet(parquet), pd.read_csv(parquet.with_suffix(".csv"))
        assert list(left.columns) == list(right.columns) and len(left) == len(right)


def test_the_speed_of_a_round_is_the_median_over_its_blocks(results):
    throughput = load_table(results, "throughput")
    assert set(throughput.phase) == {"train", "infer"} and set(throughput.status) == {"completed"}
    assert sorted(zip(throughput.backend, throughput.execution, strict=True)) == sorted(
        2 * list(itertools.product(BACKENDS, ("tuned", "native")))
    )
    measurements = json.loads((results / "throughput/vit/jax/tuned/float32/round2.json").read_text())["measurements"]
    assert [measurement["phase"] for measurement in measurements] == ["train", "infer"]
    for measurement in measurements:
        speeds = [block["images"] / block["seconds"] for block in measurement["blocks"]]
        assert measurement["images_per_second"] == np.median(speeds)
        assert all(block["images"] == block["steps"] * measurement["batch_size"] for block in measurement["blocks"])


def test_every_round_says_what_else_the_machine_did(results):
    rounds = load_table(results, "rounds")
    assert (rounds["attempts"] == 1).all() and not rounds["disturbed"].any()
    for name in ("other_cpu_share", "steal_share"):
        assert rounds[name].between(0, 1).all()
    assert (rounds[["load_average", "involuntary_switches_per_second"]] >= 0).all(axis=None)
    assert rounds[[name for name in rounds if name.startswith("gpu_")]].isna().all(axis=None)


def test_throughput_has_every_column_that_a_machine_without_a_gpu_can_fill(results):
    throughput = load_table(results, "throughput")
    assert list(throughput.columns) == COLUMNS["throughput"]
    other_machines = {"peak_device_memory_bytes", "gpu_busy_share", "energy_joules_per_image", "energy_source", "error"}
    several_rounds = {"images_per_second_ci_low", "images_per_second_ci_high", "round_spread"}
    keras_only = {"host_seconds_share", "compute_seconds_share", "images_per_second_reading_loss"}
    training_only = keras_only | {"input_seconds_share", "recompile_seconds"}
    for (phase, execution), rows in throughput.groupby(["phase", "execution"]):
        empty = other_machines | (training_only if phase == "infer" else keras_only if execution == "native" else set())
        empty |= several_rounds if execution == "native" else set()
        empty |= set() if execution == "tuned" else {"plan_measured"}
        assert rows.drop(columns=list(empty)).notna().all(axis=None), (phase, execution)
    assert throughput.device_peak_flops_per_second.nunique() == 1  # one peak for all processes
    np.testing.assert_allclose(
        throughput.mfu, throughput.achieved_flops_per_second / throughput.device_peak_flops_per_second
    )
    achieved = throughput.images_per_second * throughput.flops_per_image
    np.testing.assert_allclose(throughput.achieved_flops_per_second, achieved)
    assert throughput.mfu.between(0, 1).all()
    keras = throughput[(throughput.phase == "train") & (throughput.execution != "native")]
    shares = keras[["input_seconds_share", "host_seconds_share", "compute_seconds_share"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_every_job_records_when_it_ran(results):
    jobs = load_table(results, "jobs")
    assert jobs.step.value_counts().to_dict() == {
        "data": 1,
        "init": 2,
        "tune": 3,
        "parity": 3,
        "train": 6,
        "throughput": 11,
    }
    began, ended = pd.to_datetime(jobs.started_at), pd.to_datetime(jobs.finished_at)
    assert (began < ended).all() and began.is_monotonic_increasing


def test_timed_jobs_never_overlap(results):
    timed = [*results.glob("tune/**/*.json"), *results.glob("throughput/**/*.json")]
    timed += results.glob("runs/**/metrics.json")
    assert len(timed) == 3 + 11 + 6
    spans = []
    for path in timed:
        job = json.loads(path.read_text())
        spans.append((datetime.fromisoformat(job["started_at"]), datetime.fromisoformat(job["finished_at"]), path))
    spans.sort()
    overlaps = [(a[2], b[2]) for a, b in itertools.pairwise(spans) if b[0] < a[1]]
    assert overlaps == []


def test_every_configuration_is_measured_in_a_round_before_the_next_round_begins(results):
    rounds = load_table(results, "rounds").drop_duplicates("started_at").sort_values("started_at")
    assert rounds["round"].tolist() == [1] * 7 + [2] * 4 and rounds["control"].sum() == 2
    orders = [rounds[rounds["round"] == n][["backend", "execution", "control"]].to_numpy().tolist() for n in (1, 2)]
    assert [key for key in orders[0] if key in orders[1]] != orders[1]  # each round has an order of its own


def test_the_control_compares_two_measurements_of_the_same_configuration(results):
    controls = load_table(results, "controls")
    assert controls["phase"].tolist() == ["train", "infer"] and set(controls["n"]) == {2}
    assert set(controls["verdict"]) == {"no verdict: 2 rounds"} and controls["difference"].gt(0).all()
    assert set(load_table(results, "comparisons").query("batch_size.notna()")["backend_b"]) <= set(BACKENDS)


def test_each_run_used_the_backend_in_its_path(results):
    for metrics in results.glob("runs/**/environment.json"):
        environment = json.loads(metrics.read_text())
        backend = metrics.parts[-5]
        assert environment["execution"]["backend"] == backend
        assert environment["variables"]["KERAS_BACKEND"] == backend


def test_seeds_start_from_different_weights(results):
    def load_weights(seed: int) -> list[np.ndarray]:
        weights = []
        with h5py.File(results / "init" / f"vit-seed{seed}.weights.h5") as file:
            file.visititems(lambda _, item: weights.append(item[()]) if isinstance(item, h5py.Dataset) else None)
        return weights

    assert any(not np.array_equal(a, b) for a, b in zip(load_weights(0), load_weights(1), strict=True))


def test_parity_compares_every_backend_with_the_reference(results):
    parity = load_table(results, "parity")
    references = parity.groupby("backend").reference_backend.agg(set).to_dict()
    # The native model on JAX is compared with the Keras model on JAX.
    assert references == {backend: {"jax", "numpy"} for backend in BACKENDS}
    torch = parity[(parity.backend == "torch") & (parity.execution == "tuned")]
    quantities = torch.groupby("reference_backend").quantity.agg(set).to_dict()
    assert quantities == {"numpy": {"augmentation", "logits", "loss", "slope"}, "jax": {"gradient", "losses"}}
    native = parity[parity.execution == "native"].groupby("backend").quantity.agg(set).to_dict()
    assert native == {key: {"logits", "loss", "slope", "gradient", "losses"} for key in BACKENDS}
    assert torch.weight.dropna().is_unique and torch.weight.notna().sum() == 23
    assert parity.passed.all() and (parity.max_rel_difference <= parity.tolerance).all()
    assert parity.max_rel_difference.max() > 0  # equal to the last bit everywhere: nothing was compared


def test_the_progress_names_run_epoch_and_loss(project):
    output = (project / "output.txt").read_text()
    assert re.search(
        r"train vit · torch · tuned · seed 1: epoch 2/2, loss [\d.]+, val_accuracy [\d.]+, 0 s left", output
    )
    assert "report.html" in output


def test_the_report_of_snakemake_contains_report_figures_and_tables(project):
    run_snakemake(project, *TINY, "--report", "snakemake-report.html")
    page = (project / "snakemake-report.html").read_text()
    for word in ("Figures", "Tables", *(name.replace("_", " ") for name in FIGURES), *COLUMNS):
        assert f'"{word}"' in page, word
    assert "a point per seed, a bar at the mean" in page and "results/tiny/report.html" in page
    (project / "snakemake-report.html").unlink()


def test_the_command_compare_compares_two_experiments(project, results):
    other = results.with_name("other")
    shutil.copytree(results, other)
    command = [sys.executable, "-m", "vitbench", "compare", "results/tiny", "results/other"]
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    completed = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert completed.returncode == 0, completed.stderr
    page = (project / "comparison.html").read_text()
    assert "other compared with tiny" in page and "Config, hardware and software are the same" in page
    shutil.rmtree(other)


def test_a_second_call_does_nothing_even_after_a_comment_was_added_to_measured_code(project):
    module = project / "src" / "vitbench" / "models" / "vit.py"
    text = module.read_text()
    module.write_text(text + "\n# a comment\n")
    assert planned_rules(project) == set()
    module.write_text(text)


def test_a_change_of_measured_code_repeats_its_jobs(project):
    module = project / "src" / "vitbench" / "models" / "vit.py"
    text = module.read_text()
    module.write_text(text.replace('name="final_norm"', 'name="last_norm"'))
    assert {"init", "tune", "train", "throughput"} <= planned_rules(project)
    module.write_text(text)


@pytest.mark.parametrize(
    ("file", "step"),
    [
        ("runs/vit/torch/tuned/float32/seed1/metrics.json", "train"),
        ("throughput/vit/jax/native/float32/round1.json", "throughput"),
    ],
)
def test_a_deleted_result_is_computed_again(project, results, file, step):
    deleted = (results / file).rename(project / "deleted.json")
    assert planned_rules(project) == {"all", step, "tables", "report"}
    deleted.rename(results / file)


def test_a_change_of_a_figure_only_renders_the_report_again(project):
    module = project / "src" / "vitbench" / "report" / "figures" / "bars.py"
    module.touch()
    assert planned_rules(project) == {"all", "report"}
    module.write_text(module.read_text() + "\n# a comment\n")
    assert planned_rules(project) == {"all", "report"}


def test_a_new_title_repeats_only_the_report_and_a_new_learning_rate_the_training(project):
    assert planned_rules(project, "--config", "report={title: New}") <= {"all", "tables", "report"}
    rules = planned_rules(project, "--config", "training={optimizer: {learning_rate: 0.5}}")
    assert {"train", "tune", "throughput"} <= rules and "init" not in rules and "data" not in rules


WRONG_SETTINGS = {
    "bakends=[jax]": ["bakends", "'backends'"],
    "backends=[jxa]": ["backends.0", "'jxa'", "jax"],
    "experiment=../x": ["experiment", "letters, digits"],
    "models={vit: {patch_size: 7}}": ["patch_size 7", "image_size"],
    "dataset={source: parquet, name: mine}": ["dataset", "needs path"],
}


def test_all_errors_of_a_config_are_listed_before_any_job_is_planned(project):
    output = run_snakemake(project, *TINY, "--dry-run", "--config", *WRONG_SETTINGS, succeeds=False)
    for setting, words in WRONG_SETTINGS.items():
        assert all(word in output for word in words), (setting, output)
    assert "Building DAG" not in output and "Traceback" not in output


def test_a_missing_builder_of_a_custom_model_fails_before_any_job_is_planned(project):
    setting = "models={mine: {builder: 'examples.small_cnn:biuld'}}"
    output = run_snakemake(project, *TINY, "--dry-run", "--config", setting, succeeds=False)
    for words in ("models.mine.builder", "defines no 'biuld'", "build"):
        assert words in output
    assert "Building DAG" not in output and "Traceback" not in output
