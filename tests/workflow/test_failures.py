"""The real Snakemake, where something goes wrong: what is lost, what is said, and what goes on."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.projects import TINY, copied, planned, snakemake
from vitbench.system.environment import has_gpu

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return copied(tmp_path_factory.mktemp("project"))


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
        assert table(name).loc[["torch"], "error"].str.contains("measured anyway").all()
        assert table(name).loc[["jax"], "error"].isna().all()
    for name in ("epochs", "summaries"):
        assert table(name).groupby("backend").parity_passed.agg(set).to_dict() == {"jax": {True}, "torch": {False}}
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
    assert "the plan compiles the step, but jax ran it without compiling it (JAX_DISABLE_JIT=1 is set)" in run["error"]


def test_a_batch_size_that_is_too_large_is_a_row_and_ends_the_sweep(project):
    settings = "--config", "experiment=large", "backends=[torch]", "seeds=[0]"
    settings += ("throughput={batch_sizes: [32, 2000000, 4000000]}",)  # images as they are trained on: 6 GB
    measured = Path("results", "large", "throughput/vit/torch/tuned/float32.json")
    ran = snakemake(project, *TINY, *settings, "--", str(measured), data_kilobytes=8_000_000)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads((project / measured).read_text())
    assert found["status"] == "completed"
    by_size = {}
    for row in found["measurements"]:
        by_size.setdefault(row["batch_size"], {})[row["phase"]] = row
    assert {row["status"] for row in by_size[32].values()} == {"completed"}
    for phase in ("train", "infer"):
        assert by_size[2_000_000][phase]["status"] == by_size[4_000_000][phase]["status"] == "out_of_memory"
        assert by_size[4_000_000][phase]["error"] == "not tried, because 2000000 images per step were too many"


DEADLY = """
import os
import signal
import sys
from pathlib import Path

import keras


def build(input_shape, classes):
    if Path("armed").exists() and keras.backend.backend() == "torch" and "parity" in sys.argv:
        print("about to be killed", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(classes)])
"""


def test_a_backend_whose_job_is_killed_stops_no_other_and_the_report_is_made(project):
    (project / "deadly.py").write_text(DEADLY)
    (project / "armed").touch()
    overlay = project / "deadly.yaml"
    settings = {"experiment": "killed", "models": {"vit": None, "deadly": {"builder": "deadly:build"}}, "seeds": [0]}
    overlay.write_text(json.dumps(settings | {"backends": ["jax", "torch"]}))
    ran = snakemake(project, *TINY, str(overlay))
    assert ran.returncode != 0 and "results/killed/report.html says what failed" in ran.stderr
    killed = project / "results" / "killed"
    for name in ("runs", "throughput"):
        table = pd.read_parquet(killed / "tables" / f"{name}.parquet").set_index("backend")
        assert set(table.loc[["jax"], "status"]) == {"completed"}
        assert set(table.loc[["torch"], "status"]) == {"failed"}
        assert set(table.loc[["torch"], "error"]) == {
            "parity left no result; the last line of its log: about to be killed"
        }
    (failure,) = pd.read_parquet(killed / "tables" / "failures.parquet").to_dict("records")
    assert (failure["step"], failure["names"]) == ("parity", "deadly · torch")
    assert "about to be killed" in (killed / "report.html").read_text()

    (project / "armed").unlink()
    finished = {path: path.stat().st_mtime_ns for path in (killed / "runs").rglob("metrics.json")}
    ran = snakemake(project, *TINY, str(overlay))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(pd.read_parquet(killed / "tables" / "runs.parquet")["status"]) == {"completed"}
    assert all(path.stat().st_mtime_ns == made for path, made in finished.items()), "what was finished was not repeated"


def test_what_failed_by_the_config_is_not_repeated(project):
    (project / "wrong.py").write_text("def build(input_shape, classes):\n    raise ValueError('options.width is 0')\n")
    overlay = project / "wrong.yaml"
    models = {"vit": None, "wrong": {"builder": "wrong:build"}}
    overlay.write_text(json.dumps({"experiment": "wrong", "models": models, "seeds": [0], "backends": ["torch"]}))
    ran = snakemake(project, *TINY, str(overlay), "--retries", "2")
    assert ran.returncode != 0
    assert (ran.stdout + ran.stderr).count("Error in rule init") == 1
    assert "ValueError: options.width is 0" in ran.stdout + ran.stderr


def test_a_diverged_run_is_a_row_and_the_report_is_made(project):
    ran = snakemake(
        project,
        *TINY,
        "--config",
        *("experiment=hot", "backends=[torch]", "seeds=[0]", "training={optimizer: {learning_rate: 1.0e+30}}"),
        "executions={throughput: [tuned]}",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (run,) = pd.read_csv(project / "results/hot/tables/runs.csv").to_dict("records")
    assert run["status"] == "diverged" and run["epochs"] == 1
    assert "diverged" in (project / "results/hot/report.html").read_text()


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_without_a_gpu_nothing_is_trained_until_told(project):
    published = snakemake(project)
    assert published.returncode != 0
    assert "This machine has no GPU" in published.stdout + published.stderr
    assert "accelerator=cpu" in published.stdout + published.stderr
    assert not (project / "results" / "cifar100").exists()
    auto = {
        "accelerator": "auto",
        "tuning": {"budget_seconds": 60},
    }  # as a job on a cluster's node without a GPU has it
    (project / "auto.yaml").write_text(json.dumps(auto))
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
