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

from vitbench import records
from vitbench.environment import gpu_present

REPOSITORY = Path(__file__).parents[2]
PARTS = ["Snakefile", "config.yaml", "workflow", "profiles", "envs", "src", "reports", "examples"]
TINY = ("--configfile", "config.yaml", str(Path(__file__).parent / "tiny.yaml"))
BACKENDS = ["jax", "torch", "tensorflow"]

pytestmark = pytest.mark.workflow


def snakemake(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment = {k: v for k, v in environment.items() if k not in ("KERAS_BACKEND", "JAX_PLATFORMS", "PYTHONPATH")}
    environment |= variables
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project in which the tiny experiment has run."""
    copy = tmp_path_factory.mktemp("project")
    for part in PARTS:
        source = REPOSITORY / part
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, copy / part, ignore=ignored) if source.is_dir() else shutil.copy(source, copy)
    ran = snakemake(copy, *TINY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (copy / "output.txt").write_text(ran.stdout + ran.stderr)
    return copy


@pytest.fixture(scope="module")
def results(project) -> Path:
    return project / "results" / "tiny"


def planned(project: Path, *arguments: str) -> set[str]:
    """The rules that Snakemake would run now."""
    dry = snakemake(project, *TINY, *arguments, "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    named = re.findall(r"^(?:local)?rule (\w+):|^Job \d+: (\w+):", dry.stdout + dry.stderr, re.MULTILINE)
    return {rule or message for rule, message in named}


def test_the_results_lie_where_the_design_says(results):
    expected = ["config.json", "data/manifest.json", "report.html", "report.ipynb"]
    expected += [f"init/vit-seed{seed}.weights.h5" for seed in (0, 1)]
    for backend in BACKENDS:
        expected += [f"tune/vit/{backend}/float32.json", f"parity/vit/{backend}.json"]
        expected += [f"throughput/vit/{backend}/tuned/float32.json"]
        for seed in (0, 1):
            run = f"runs/vit/{backend}/tuned/float32/seed{seed}"
            names = ("metrics.json", "history.csv", "environment.json", "best.weights.h5")
            expected += [f"{run}/{name}" for name in names]
    for name in ("runs", "epochs", "throughput", "parity", "comparisons"):
        expected += [f"tables/{name}.csv", f"tables/{name}.parquet"]
    assert [name for name in expected if not (results / name).is_file()] == []


def test_nothing_half_written_is_left(results):
    assert [p for p in results.rglob(".*") if p.name != ".snakemake_timestamp"] == []


def test_every_run_is_a_completed_row_with_every_column(results):
    runs = pd.read_parquet(results / "tables" / "runs.parquet")
    assert list(runs.columns) == records.RUN_COLUMNS
    assert sorted(zip(runs.backend, runs.seed, strict=True)) == sorted((b, s) for b in BACKENDS for s in (0, 1))
    assert set(runs.status) == {"completed"}, runs.error.tolist()
    may_be_empty = {"peak_device_memory_bytes", "error", "git_commit"}
    assert [c for c in runs.columns if c not in may_be_empty and runs[c].isna().any()] == []
    assert runs.test_accuracy.between(0, 1).all() and (runs.train_images_per_second > 0).all()
    assert (runs.parameters == runs.parameters[0]).all()


def test_every_epoch_is_a_row(results):
    epochs = pd.read_parquet(results / "tables" / "epochs.parquet")
    assert len(epochs) == 3 * 2 * 2
    assert not epochs[records.EPOCH_VALUES].isna().any(axis=None)


def test_csv_and_parquet_hold_the_same(results):
    for parquet in (results / "tables").glob("*.parquet"):
        left, right = pd.read_parquet(parquet), pd.read_csv(parquet.with_suffix(".csv"))
        assert list(left.columns) == list(right.columns) and len(left) == len(right)


def test_throughput_is_images_of_a_block_over_its_seconds(results):
    throughput = pd.read_parquet(results / "tables" / "throughput.parquet")
    assert set(throughput.phase) == {"train", "infer"} and set(throughput.status) == {"completed"}
    found = json.loads((results / "throughput/vit/jax/tuned/float32.json").read_text())
    for measured in found["measurements"]:
        rates = [block["images"] / block["seconds"] for block in measured["blocks"]]
        assert measured["images_per_second"] == np.median(rates)
        assert all(block["images"] == block["steps"] * measured["batch_size"] for block in measured["blocks"])


def test_timed_jobs_never_overlap(results):
    timed = [*results.glob("tune/**/*.json"), *results.glob("throughput/**/*.json")]
    timed += results.glob("runs/**/metrics.json")
    assert len(timed) == 3 + 3 + 6
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
    assert by_backend == {"jax": {"numpy"}, "torch": {"jax", "numpy"}, "tensorflow": {"jax", "numpy"}}
    of_torch = parity[(parity.backend == "torch") & (parity.execution == "tuned")]
    compared = of_torch.groupby("reference_backend").quantity.agg(set).to_dict()
    assert compared == {"numpy": {"augmentation", "logits", "loss", "slope"}, "jax": {"gradient", "losses"}}
    assert of_torch.weight.dropna().is_unique and of_torch.weight.notna().sum() == 23
    assert parity.passed.all() and (parity.max_rel_difference <= parity.tolerance).all()
    assert parity.max_rel_difference.max() > 0  # bit for bit the same everywhere would mean that nothing was compared


def test_progress_says_which_run_which_epoch_and_how_it_does(project):
    output = (project / "output.txt").read_text()
    assert re.search(
        r"train vit · torch · tuned · seed 1: epoch 2/2, loss [\d.]+, val_accuracy [\d.]+, 0 s left", output
    )
    assert "report.html" in output


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
    figures = project / "src" / "vitbench" / "figures.py"
    figures.touch()
    assert planned(project) == {"all", "report"}
    figures.write_text(figures.read_text() + "\n# a remark\n")
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


SKEWED = """
import keras


def build(input_shape, classes):
    divisor = 250 if keras.backend.backend() == "torch" else 255
    layers = [keras.layers.Rescaling(1 / divisor), keras.layers.Flatten(), keras.layers.Dense(classes)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""


def test_a_failed_gate_stops_that_backend_alone_and_the_report_says_what_failed(project):
    (project / "skewed.py").write_text(SKEWED)
    settings = {"experiment": "troubled", "models": {"vit": None, "skewed": {"builder": "skewed:build"}}}
    overlay = project / "skewed.yaml"
    overlay.write_text(json.dumps(settings | {"seeds": [0], "backends": ["jax", "torch"]}))
    ran = snakemake(project, *TINY, str(overlay))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    troubled = project / "results" / "troubled"

    def table(name: str) -> pd.DataFrame:
        return pd.read_csv(troubled / "tables" / f"{name}.csv").set_index("backend")

    failed = table("parity").loc["torch"].query("not passed")
    assert {"logits", "loss", "gradient", "losses"} == set(failed.quantity)
    logits = failed.query("quantity == 'logits'").max_rel_difference.iloc[0]
    assert logits == pytest.approx(255 / 250 - 1, rel=1e-3)
    for name in ("runs", "throughput"):
        assert set(table(name).loc[["jax"], "status"]) == {"completed"}
        assert set(table(name).loc[["torch"], "status"]) == {"gated"}
        (error,) = set(table(name).loc[["torch"], "error"])
        assert re.search(r"parity failed: \w+( of [\w/]+)? \(tuned\), compared with jax, differs by [\d.]+", error)
    report = (troubled / "report.html").read_text()
    assert "gated" in report and "of the largest value; the tolerance is" in report
    overlay.write_text(overlay.read_text()[:-1] + ', "parity": {"train_despite_failure": true}}')
    ran = snakemake(project, *TINY, str(overlay))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in ("runs", "throughput"):
        assert set(table(name)["status"]) == {"completed"}
        assert table(name).loc[["torch"], "error"].str.contains("measured all the same").all()
        assert table(name).loc[["jax"], "error"].isna().all()
    verdicts = pd.read_csv(troubled / "tables" / "comparisons.csv").verdict
    assert len(verdicts) and verdicts.str.endswith("; parity failed").all()


def test_a_run_that_something_keeps_from_being_compiled_as_planned_has_failed(project):
    settings = "--config", "experiment=switched", "backends=[jax]", "seeds=[0]"
    switched = Path("results", "switched")
    plan = project / switched / "tune/vit/jax/float32.json"
    ran = snakemake(project, *TINY, *settings, "--", str(plan.relative_to(project)))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"plan": {"jit_compile": True}}))
    metrics = switched / "runs/vit/jax/tuned/float32/seed0/metrics.json"
    ran = snakemake(project, *TINY, *settings, "--", str(metrics), JAX_DISABLE_JIT="1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    run = json.loads((project / metrics).read_text())
    assert run["status"] == "failed"
    assert "was to be compiled, but jax has run it without compiling it (JAX_DISABLE_JIT=1 is set)" in run["error"]


def test_a_diverged_run_is_a_row_and_the_report_is_made(project):
    ran = snakemake(
        project,
        *TINY,
        "--config",
        *("experiment=hot", "backends=[torch]", "seeds=[0]", "training={optimizer: {learning_rate: 1.0e+30}}"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (run,) = pd.read_csv(project / "results/hot/tables/runs.csv").to_dict("records")
    assert run["status"] == "diverged" and run["epochs"] == 1
    assert "diverged" in (project / "results/hot/report.html").read_text()


def test_a_users_own_model_takes_part_in_every_step(project):
    settings = "--config", "experiment=own", "backends=[torch,jax]", "seeds=[0]"
    ran = snakemake(project, *TINY, "examples/small_cnn.yaml", *settings)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    own = project / "results" / "own"
    runs, parity = (pd.read_csv(own / "tables" / f"{name}.csv") for name in ("runs", "parity"))
    assert sorted(zip(runs.model, runs.backend, runs.status, strict=True)) == [
        ("small_cnn", "jax", "completed"),
        ("small_cnn", "torch", "completed"),
    ]
    assert parity.passed.all() and set(parity.backend) == {"torch"} and set(parity.reference_backend) == {"jax"}
    assert "small_cnn" in (own / "report.html").read_text()
    source = project / "examples" / "small_cnn.py"
    source.write_text(source.read_text().replace("range(3)", "range(2)"))
    assert {"init", "tune", "parity", "train", "throughput"} <= planned(project, "examples/small_cnn.yaml", *settings)


def test_the_estimate_is_a_table_of_every_contestant(project):
    ran = snakemake(project, "estimate", *TINY, "--config", "backends=[torch]")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (row,) = [line for line in ran.stdout.splitlines() if re.search(r"vit .*torch", line) and "│" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:2] == ["vit", "torch"] and float(cells[2]) > 0 and cells[3] == "2" and cells[7] == "2"
    assert "In all about" in ran.stdout


@pytest.mark.skipif(gpu_present(), reason="this machine has a GPU")
def test_without_a_gpu_nothing_is_trained_until_told(project):
    published = snakemake(project)
    assert published.returncode != 0
    assert "This machine has no GPU" in published.stdout + published.stderr
    assert "accelerator=cpu" in published.stdout + published.stderr
    assert not (project / "results" / "cifar100").exists()
    (project / "auto.yaml").write_text("accelerator: auto\n")  # as a job on a cluster's node without a GPU would find
    by_hand = subprocess.run(
        [sys.executable, "-m", "vitbench", "tune", "--model", "vit", "--backend", "torch"]
        + ["--config", "config.yaml", "--config", TINY[2], "--config", "auto.yaml"],
        **{"cwd": project, "capture_output": True, "text": True, "timeout": 120},
        env=os.environ | {"PYTHONPATH": str(project / "src")},
    )
    assert by_hand.returncode == 1 and "torch finds no GPU here" in by_hand.stderr


def test_mislabelled_data_is_one_sentence_and_leaves_nothing_that_passes_for_data(project):
    images, labels = np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2
    wrong = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels + 5, "class_names": ["a", "b"]}
    np.savez(project / "mine.npz", **wrong)
    settings = "experiment=mine", "dataset={source: npz, name: mine, path: mine.npz, subset: null}"
    ran = snakemake(project, *TINY, "--config", *settings)
    assert ran.returncode != 0
    output = ran.stdout + ran.stderr
    assert "Error: y_test: expected labels of 0–1, as there are 2 class names, found 5–6" in output
    assert "Traceback" not in output
    assert list((project / "results" / "mine" / "data").glob("*")) == []
    np.savez(project / "mine.npz", **wrong | {"y_test": labels})
    assert {"data", "train"} <= planned(project, "--config", *settings)
