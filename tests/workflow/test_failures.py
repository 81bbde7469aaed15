"""What is lost, what is reported and what continues if something fails, with the real Snakemake."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.projects import ONE_ROUND, TINY, TINY_CONFIG, planned_rules, reuse_preparation, run_snakemake
from vitbench.system.gpus import has_gpu

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(prepared_project) -> Path:
    return prepared_project


def test_a_run_that_was_not_compiled_as_planned_has_failed(project):
    results = reuse_preparation(project, "uncompiled")
    plan = results / "tune/vit/jax/float32.json"
    times = plan.stat().st_atime_ns, plan.stat().st_mtime_ns
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"plan": {"jit_compile": True}}))
    os.utime(plan, ns=times)  # so that parity is not repeated
    metrics = results / "runs/vit/jax/tuned/float32/seed0/metrics.json"
    settings = ("--config", "experiment=uncompiled", "backends=[jax]", "seeds=[0]")
    run_snakemake(project, *TINY, *settings, "--", str(metrics.relative_to(project)), JAX_DISABLE_JIT="1")
    run = json.loads(metrics.read_text())
    assert run["status"] == "failed"
    assert "the plan compiles the step, but jax ran it without compiling it (JAX_DISABLE_JIT=1 is set)" in run["error"]


def test_a_batch_size_that_is_too_large_is_a_row_and_larger_ones_are_not_tried(project):
    results = reuse_preparation(project, "large")
    settings = ["--config", "experiment=large", "backends=[torch]", "seeds=[0]", "executions={throughput: [tuned]}"]
    # Resized, 400,000 images take 1.2 GB.
    settings += ["throughput={rounds: 1, control: false, batch_sizes: [32, 400000, 800000]}"]
    throughput = results / "throughput/vit/torch/tuned/float32/round1.json"
    run_snakemake(project, *TINY, *settings, "--", str(throughput.relative_to(project)), data_kilobytes=3_000_000)
    content = json.loads(throughput.read_text())
    assert content["status"] == "completed"
    rows = {(row["batch_size"], row["phase"]): row for row in content["measurements"]}
    for phase in ("train", "infer"):
        assert rows[32, phase]["status"] == "completed"
        assert rows[400_000, phase]["status"] == rows[800_000, phase]["status"] == "out_of_memory"
        assert rows[800_000, phase]["error"] == "not tried, because 400000 images per step were too many"


def test_a_diverged_run_is_a_row_and_the_report_is_generated(project):
    results = reuse_preparation(project, "diverging")
    settings = ["experiment=diverging", "backends=[torch]", "seeds=[0]", "executions={throughput: [tuned]}"]
    settings += [ONE_ROUND, "training={optimizer: {learning_rate: 1.0e+30}}"]
    run_snakemake(project, *TINY, "--config", *settings)
    (run,) = pd.read_csv(results / "tables/runs.csv").to_dict("records")
    assert run["status"] == "diverged" and run["epochs"] == 1
    assert "diverged" in (results / "report.html").read_text()


# On PyTorch it computes something else. On TensorFlow its parity job is killed as long as the file "armed" exists.
TROUBLED_MODEL = """
import os
import signal
import sys
from pathlib import Path

import keras


def build(input_shape, classes):
    backend = keras.backend.backend()
    if Path("armed").exists() and backend == "tensorflow" and "parity" in sys.argv:
        print("about to be killed", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    divisor = 250 if backend == "torch" else 255
    layers = [keras.layers.Rescaling(1 / divisor), keras.layers.Flatten(), keras.layers.Dense(classes)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""


def test_a_failed_gate_and_a_killed_job_stop_only_their_backends_and_the_report_says_why(project):
    (project / "troubled.py").write_text(TROUBLED_MODEL)
    models = {"vit": None, "troubled": {"builder": "troubled:build"}}
    settings = {"experiment": "troubled", "models": models, "seeds": [0], "throughput": {"rounds": 1, "control": False}}
    settings["tuning"] = {
        "budget_seconds": 0.5,
        "minimum_seconds": 0,
    }  # long enough to fall back to the first candidate
    config = project / "troubled.yaml"
    config.write_text(json.dumps(settings))
    results = reuse_preparation(project, "troubled", ("data",))

    def read(name: str) -> pd.DataFrame:
        return pd.read_parquet(results / "tables" / f"{name}.parquet")

    def load(name: str) -> pd.DataFrame:
        return read(name).set_index("backend")

    def statuses(name: str) -> dict[str, str]:
        return load(name)["status"].groupby("backend").agg(lambda values: " ".join(sorted(set(values)))).to_dict()

    # A partial report is generated although a job was killed.
    (project / "armed").touch()
    output = run_snakemake(project, *TINY, str(config), succeeds=False)
    assert "results/troubled/report.html says what failed" in output
    for name in ("runs", "throughput"):
        assert statuses(name) == {"jax": "completed", "torch": "gated", "tensorflow": "failed"}
        errors = load(name)["error"]
        assert set(errors[["tensorflow"]]) == {"parity left no result; the last line of its log: about to be killed"}
        (error,) = set(errors[["torch"]])
        assert re.search(r"parity failed: \w+( of [\w/]+)? \(tuned\), compared with jax, differs by [\d.]+", error)
    failures = read("failures").set_index(["step", "names"])["status"].to_dict()
    assert failures == {
        ("train", "troubled · torch · tuned · float32 · seed0"): "gated",
        ("throughput", "troubled · torch · tuned · float32 · round1"): "gated",
        ("parity", "troubled · tensorflow"): "failed",
    }
    failed = load("parity").loc["torch"].query("not passed")
    assert {"logits", "loss", "gradient", "losses"} == set(failed.quantity)
    logits = failed.query("quantity == 'logits'").max_rel_difference.iloc[0]
    assert logits == pytest.approx(255 / 250 - 1, rel=1e-3)
    report = (results / "report.html").read_text()
    for words in ("gated", "of the largest value; the tolerance is", "about to be killed"):
        assert words in report

    # The same command continues. A failed gate alone is no failure of the workflow.
    (project / "armed").unlink()
    finished = {path: path.stat().st_mtime_ns for path in (results / "runs").rglob("metrics.json")}
    run_snakemake(project, *TINY, str(config))
    for name in ("runs", "throughput"):
        assert statuses(name) == {"jax": "completed", "torch": "gated", "tensorflow": "completed"}
    assert all(path.stat().st_mtime_ns == time for path, time in finished.items()), "finished runs are not repeated"

    # On request the backend is trained and measured all the same, and its rows are marked.
    config.write_text(json.dumps(settings | {"parity": {"train_despite_failure": True}}))
    run_snakemake(project, *TINY, str(config))
    for name in ("runs", "throughput"):
        assert set(load(name)["status"]) == {"completed"}
        assert load(name).loc[["torch"], "error"].str.contains("measured anyway").all()
        assert load(name).loc[["jax", "tensorflow"], "error"].isna().all()
    for name in ("epochs", "summaries"):
        passed = load(name).groupby("backend").parity_passed.agg(set).to_dict()
        assert passed == {"jax": {True}, "torch": {False}, "tensorflow": {True}}
    comparisons = read("comparisons")
    with_torch = (comparisons.backend_a == "torch") | (comparisons.backend_b == "torch")
    assert with_torch.any()
    assert (comparisons.verdict.str.endswith("; parity failed") == with_torch).all()


def test_a_job_that_fails_because_of_the_config_is_not_repeated(project):
    (project / "wrong.py").write_text("def build(input_shape, classes):\n    raise ValueError('options.width is 0')\n")
    config = project / "wrong.yaml"
    models = {"vit": None, "wrong": {"builder": "wrong:build"}}
    config.write_text(json.dumps({"experiment": "wrong", "models": models, "seeds": [0], "backends": ["torch"]}))
    reuse_preparation(project, "wrong", ("data",))
    output = run_snakemake(project, *TINY, str(config), "--retries", "2", succeeds=False)
    assert output.count("Error in rule init") == 1
    assert "ValueError: options.width is 0" in output


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_without_a_gpu_nothing_is_trained_unless_the_config_allows_it(project):
    output = run_snakemake(project, succeeds=False)
    assert "This machine has no GPU" in output and "accelerator=cpu" in output
    assert not (project / "results" / "cifar100").exists()
    auto = {"accelerator": "auto", "tuning": {"budget_seconds": 60}}  # as a job on a node without a GPU has it
    (project / "auto.yaml").write_text(json.dumps(auto))
    command = [sys.executable, "-m", "vitbench", "tune", "--model", "vit", "--backend", "torch"]
    for config in ("config.yaml", TINY_CONFIG, "auto.yaml"):
        command += ["--config", config]
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    tune = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert tune.returncode == 1 and "torch finds no GPU here" in tune.stderr


def test_wrong_labels_are_one_message_and_leave_no_file_that_could_be_taken_for_data(project):
    images, labels = np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels + 5, "class_names": ["a", "b"]}
    np.savez(project / "mine.npz", **arrays)
    settings = ("--config", "experiment=mine", "dataset={source: npz, name: mine, path: mine.npz, subset: null}")
    output = run_snakemake(project, *TINY, *settings, succeeds=False)
    assert "Error: y_test: expected labels from 0 to 1 for 2 class names, but got labels from 5 to 6" in output
    assert "Traceback" not in output
    assert list((project / "results" / "mine" / "data").glob("*")) == []
    np.savez(project / "mine.npz", **arrays | {"y_test": labels})
    assert {"data", "train"} <= planned_rules(project, *settings)
