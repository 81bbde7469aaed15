"""The real Snakemake, all three backends, every step: once as a whole, then what a second call does and does not do."""

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

from helpers.projects import TINY, copied, planned, snakemake
from vitbench.results.predictions import load_predictions
from vitbench.results.schema import COLUMNS, EPOCH_COLUMNS, FIGURES, RUN_COLUMNS

BACKENDS = ["jax", "torch", "tensorflow"]

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project in which the tiny experiment has run."""
    copy = copied(tmp_path_factory.mktemp("project"))
    ran = snakemake(copy, *TINY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (copy / "output.txt").write_text(ran.stdout + ran.stderr)
    return copy


@pytest.fixture(scope="module")
def results(project) -> Path:
    return project / "results" / "tiny"


def test_the_results_lie_where_the_design_says(results):
    expected = ["config.json", "data/manifest.json", "report.html", "report.ipynb"]
    expected += [f"init/vit-seed{seed}.weights.h5" for seed in (0, 1)]
    for backend in BACKENDS:
        expected += [f"tune/vit/{backend}/float32.json", f"parity/vit/{backend}.json"]
        expected += [f"throughput/vit/{backend}/tuned/float32.json"]
        expected += [f"throughput/vit/{backend}/native/float32.json"] if backend != "tensorflow" else []
        for seed in (0, 1):
            run = f"runs/vit/{backend}/tuned/float32/seed{seed}"
            names = ("metrics.json", "history.csv", "environment.json", "best.weights.h5", "predictions.npz")
            expected += [f"{run}/{name}" for name in names]
    for name in COLUMNS:
        expected += [f"tables/{name}.csv", f"tables/{name}.parquet"]
    expected += [f"figures/{name}.svg" for name in FIGURES]
    assert [name for name in expected if not (results / name).is_file()] == []


def test_nothing_half_written_is_left(results):
    assert [p for p in results.rglob(".*") if p.name != ".snakemake_timestamp"] == []


def test_the_report_is_small_enough_to_be_sent(results):
    assert 100_000 < (results / "report.html").stat().st_size < 5e6


def test_every_run_is_a_completed_row_with_every_column(results):
    runs = pd.read_parquet(results / "tables" / "runs.parquet")
    assert list(runs.columns) == RUN_COLUMNS
    assert sorted(zip(runs.backend, runs.seed, strict=True)) == sorted((b, s) for b in BACKENDS for s in (0, 1))
    assert set(runs.status) == {"completed"}, runs.error.tolist()
    may_be_empty = {"peak_device_memory_bytes", "error", "git_commit"}
    assert [c for c in runs.columns if c not in may_be_empty and runs[c].isna().any()] == []
    assert runs.test_accuracy.between(0, 1).all() and (runs.train_images_per_second > 0).all()
    assert (runs.parameters == runs.parameters[0]).all()


def test_no_epoch_is_told_of_what_the_test_images_made_the_compiler_do(results):
    found = [json.loads(path.read_text())["execution"] for path in results.glob("runs/**/environment.json")]
    assert [executed["compilations_while_timed"] for executed in found] == [0] * 6


def test_predictions_are_those_that_the_accuracy_counts(results):
    labels = np.load(results / "data" / "y_test.npy")
    for run in pd.read_parquet(results / "tables" / "runs.parquet").itertuples():
        where = results / "runs" / run.model / run.backend / run.execution / run.precision / f"seed{run.seed}"
        classes, probabilities = load_predictions(where / "predictions.npz")
        assert ((classes[:, 0] == labels).mean(), (classes == labels[:, None]).any(axis=1).mean()) == pytest.approx(
            (run.test_accuracy, run.test_top5_accuracy), abs=1.5 / len(labels)
        )
        assert (np.diff(probabilities, axis=1) <= 0).all()


def test_every_epoch_is_a_row(results):
    epochs = pd.read_parquet(results / "tables" / "epochs.parquet")
    assert len(epochs) == 3 * 2 * 2
    assert not epochs[EPOCH_COLUMNS].isna().any(axis=None)


def test_csv_and_parquet_hold_the_same(results):
    for parquet in (results / "tables").glob("*.parquet"):
        left, right = pd.read_parquet(parquet), pd.read_csv(parquet.with_suffix(".csv"))
        assert list(left.columns) == list(right.columns) and len(left) == len(right)


def test_throughput_is_images_of_a_block_over_its_seconds(results):
    throughput = pd.read_parquet(results / "tables" / "throughput.parquet")
    assert set(throughput.phase) == {"train", "infer"} and set(throughput.status) == {"completed"}
    assert sorted(zip(throughput.backend, throughput.execution, strict=True)) == sorted(
        2 * [*((b, "tuned") for b in BACKENDS), ("jax", "native"), ("torch", "native")]
    )
    found = json.loads((results / "throughput/vit/jax/tuned/float32.json").read_text())
    assert [measured["phase"] for measured in found["measurements"]] == ["train", "infer"]
    for measured in found["measurements"]:
        rates = [block["images"] / block["seconds"] for block in measured["blocks"]]
        assert measured["images_per_second"] == np.median(rates)
        assert all(block["images"] == block["steps"] * measured["batch_size"] for block in measured["blocks"])


def test_throughput_has_every_column_that_a_machine_without_a_gpu_can_fill(results):
    throughput = pd.read_parquet(results / "tables" / "throughput.parquet")
    assert list(throughput.columns) == COLUMNS["throughput"]
    elsewhere = {"peak_device_memory_bytes", "energy_joules_per_image", "energy_source", "error"}
    of_keras = {"host_seconds_share", "compute_seconds_share", "images_per_second_reading_loss"}
    of_training = of_keras | {"input_seconds_share", "recompile_seconds"}
    for (phase, execution), rows in throughput.groupby(["phase", "execution"]):
        empty = elsewhere | (of_training if phase == "infer" else of_keras if execution == "native" else set())
        assert rows.drop(columns=list(empty)).notna().all(axis=None), (phase, execution)
    assert (throughput.mfu == throughput.achieved_flops_per_second / throughput.device_peak_flops_per_second).all()
    achieved = throughput.images_per_second * throughput.flops_per_image
    np.testing.assert_allclose(throughput.achieved_flops_per_second, achieved)
    assert throughput.mfu.between(0, 1).all()
    keras = throughput[(throughput.phase == "train") & (throughput.execution != "native")]
    shares = keras[["input_seconds_share", "host_seconds_share", "compute_seconds_share"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_every_command_says_when_it_ran(results):
    jobs = pd.read_parquet(results / "tables" / "jobs.parquet")
    counted = jobs.step.value_counts().to_dict()
    assert counted == {"data": 1, "init": 2, "tune": 3, "parity": 3, "train": 6, "throughput": 5}
    began, ended = pd.to_datetime(jobs.started_at), pd.to_datetime(jobs.finished_at)
    assert (began < ended).all() and began.is_monotonic_increasing


def test_timed_jobs_never_overlap(results):
    timed = [*results.glob("tune/**/*.json"), *results.glob("throughput/**/*.json")]
    timed += results.glob("runs/**/metrics.json")
    assert len(timed) == 3 + 5 + 6
    spans = []
    for path in timed:
        job = json.loads(path.read_text())
        spans.append((datetime.fromisoformat(job["started_at"]), datetime.fromisoformat(job["finished_at"]), path))
    spans.sort()
    overlaps = [(a[2], b[2]) for a, b in itertools.pairwise(spans) if b[0] < a[1]]
    assert overlaps == []


def test_each_run_had_the_backend_that_its_row_names(results):
    for metrics in results.glob("runs/**/environment.json"):
        ran = json.loads(metrics.read_text())
        backend = metrics.parts[-5]
        assert ran["execution"]["backend"] == backend
        assert ran["variables"]["KERAS_BACKEND"] == backend


def test_seeds_start_from_different_weights(results):
    def weights(seed):
        found = []
        with h5py.File(results / "init" / f"vit-seed{seed}.weights.h5") as file:
            file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
        return found

    assert any(not np.array_equal(a, b) for a, b in zip(weights(0), weights(1), strict=True))


def test_parity_compares_every_backend_with_the_reference(results):
    parity = pd.read_parquet(results / "tables" / "parity.parquet")
    by_backend = parity.groupby("backend").reference_backend.agg(set).to_dict()
    assert by_backend == {key: {"jax", "numpy"} for key in BACKENDS}  # jax itself: what is native of it
    of_torch = parity[(parity.backend == "torch") & (parity.execution == "tuned")]
    compared = of_torch.groupby("reference_backend").quantity.agg(set).to_dict()
    assert compared == {"numpy": {"augmentation", "logits", "loss", "slope"}, "jax": {"gradient", "losses"}}
    native = parity[parity.execution == "native"].groupby("backend").quantity.agg(set).to_dict()
    assert native == {key: {"logits", "loss", "slope", "gradient", "losses"} for key in ("jax", "torch")}
    assert of_torch.weight.dropna().is_unique and of_torch.weight.notna().sum() == 23
    assert parity.passed.all() and (parity.max_rel_difference <= parity.tolerance).all()
    assert parity.max_rel_difference.max() > 0  # bit for bit the same everywhere would mean that nothing was compared


def test_progress_says_which_run_which_epoch_and_how_it_does(project):
    output = (project / "output.txt").read_text()
    assert re.search(
        r"train vit · torch · tuned · seed 1: epoch 2/2, loss [\d.]+, val_accuracy [\d.]+, 0 s left", output
    )
    assert "report.html" in output


def test_snakemakes_own_report_holds_report_figures_and_tables(project):
    ran = snakemake(project, *TINY, "--report", "snakemake-report.html")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    page = (project / "snakemake-report.html").read_text()
    for word in ("Figures", "Tables", *(name.replace("_", " ") for name in FIGURES), *COLUMNS):
        assert f'"{word}"' in page, word
    assert "a point per seed, a bar at the mean" in page and "results/tiny/report.html" in page
    (project / "snakemake-report.html").unlink()


def test_two_experiments_are_compared_by_the_command(project, results):
    other = results.with_name("other")
    shutil.copytree(results, other)
    command = [sys.executable, "-m", "vitbench", "compare", "results/tiny", "results/other"]
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    page = (project / "comparison.html").read_text()
    assert "other compared with tiny" in page and "0 settings of the config" in page
    shutil.rmtree(other)


def test_a_second_call_does_nothing(project):
    assert planned(project) == set()


def test_a_comment_in_the_measured_code_repeats_nothing(project):
    module = project / "src" / "vitbench" / "models" / "vit.py"
    text = module.read_text()
    module.write_text(text + "\n# a remark\n")
    assert planned(project) == set()
    module.write_text(text.replace('name="final_norm"', 'name="last_norm"'))
    assert {"init", "tune", "train", "throughput"} <= planned(project)
    module.write_text(text)


def test_a_change_of_a_figure_renders_the_report_again_and_nothing_else(project):
    drawing = project / "src" / "vitbench" / "figures" / "levels.py"
    drawing.touch()
    assert planned(project) == {"all", "report"}
    drawing.write_text(drawing.read_text() + "\n# a remark\n")
    assert planned(project) == {"all", "report"}


def test_a_new_title_retrains_nothing_and_a_new_learning_rate_does(project):
    assert planned(project, "--config", "report={title: New}") <= {"all", "tables", "report"}
    again = planned(project, "--config", "training={optimizer: {learning_rate: 0.5}}")
    assert {"train", "tune", "throughput"} <= again and "init" not in again and "data" not in again


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("bakends=[jax]", ["bakends", "backends"]),
        ("backends=[jxa]", ["backends.0", "'jxa'", "jax"]),
        ("experiment=../x", ["experiment", "letters, digits"]),
        ("models={vit: {patch_size: 7}}", ["patch_size 7", "image_size"]),
        (
            "models={mine: {builder: 'examples.small_cnn:biuld'}}",
            ["models.mine.builder", "defines no 'biuld'", "build"],
        ),
        ("dataset={source: parquet, name: mine}", ["dataset", "needs path"]),
    ],
)
def test_a_wrong_config_fails_before_any_job_is_planned(project, wrong, words):
    ran = snakemake(project, *TINY, "--dry-run", "--config", wrong)
    assert ran.returncode != 0
    output = ran.stdout + ran.stderr
    assert all(word in output for word in words), output
    assert "Building DAG" not in output and "Traceback" not in output
