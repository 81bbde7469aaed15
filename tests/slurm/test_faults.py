"""One experiment on a cluster with accounting that suffers every kind of fault; its tables are as without faults."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from helpers.backend_processes import subprocess_environment
from helpers.cluster import Cluster
from helpers.slurm_runs import EDITS, GRES, edit_profile, start_snakemake, wait_until_done
from helpers.small_experiment import CONFIG
from helpers.waiting import wait_until

ACCOUNTING = True
SEEDS = [0, 1, 2, 3]
EPOCHS = 120
BROKEN = """
import os

import keras


def build(input_shape, classes):
    if "SLURM_JOB_ID" in os.environ:
        raise ValueError("options.width is 0")
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(classes)])
"""
OUTAGE_SECONDS = 16  # of SLURM; the executor gives up earlier, after five attempts to get an answer
SETTINGS = CONFIG | {
    "experiment": "faults",
    "accelerator": "auto",
    "allow_cpu": True,
    "models": CONFIG["models"] | {"broken": {"builder": "broken:build"}},
    "backends": ["torch"],
    "baseline": {"model": "broken", "backends": ["torch"], "seeds": [0]},
    "seeds": SEEDS,
    "executions": {"throughput": ["tuned"]},
    "throughput": CONFIG["throughput"] | {"rounds": 1, "control": False},
    "tuning": {"budget_seconds": 20, "timed_steps": 2},
    "training": CONFIG["training"] | {"epochs": EPOCHS},
}
# Too little for a process that has imported torch, at the first attempt and at the second.
LITTLE_MEMORY = {
    '  throughput: {gpu: 0, gres: "gpu:1"}\n': '  throughput: {gpu: 0, gres: "gpu:1", mem_mb: 400 * attempt}\n'
}


class Runs:
    """Observes and disturbs the runs from outside while they are trained."""

    def __init__(self, cluster: Cluster, results: Path):
        self.cluster, self.results = cluster, results

    def find_job(self, seed: int) -> str | None:
        """SLURM's number of the running job that trains with this seed; None if there is none."""
        for line in self.cluster.run("squeue", "-h", "--states=RUNNING", "-o", "%i %k").stdout.splitlines():
            number, _, comment = line.partition(" ")
            if comment.startswith("rule_train") and "vit" in comment and comment.endswith(f"_{seed}"):
                return number
        return None

    def count_epochs(self, seed: int) -> int:
        """The epochs in the checkpoint of this seed."""
        folder = self.results / "checkpoints/vit/torch/tuned/float32" / f"seed{seed}"
        with contextlib.suppress(FileNotFoundError), np.load(folder / "state.npz") as state:
            return len(json.loads(str(state["json"]))["history"]["epoch_rows"])
        return 0

    def suspend(self, job: str) -> None:
        """Makes the training of `job` hang."""
        for process, number in self._processes("train"):
            if number == job:
                process.send_signal(signal.SIGSTOP)

    def is_tuning(self) -> bool:
        """Whether the step tune of the ViT is running."""
        return any("vit" in process.cmdline() for process, _ in self._processes("tune"))

    def _processes(self, step: str) -> Iterator[tuple[psutil.Process, str]]:
        """The processes of `step`, each with the number of its job."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if step in process.cmdline() and (job := process.environ().get("SLURM_JOB_ID")):
                    yield process, job


@pytest.fixture(scope="module")
def finished(cluster, project) -> tuple[Path, dict[int, int]]:
    """The results after five kinds of fault, and how many epochs the checkpoint of each seed held at its fault."""
    (project / "broken.py").write_text(BROKEN)
    (project / "faults.yaml").write_text(json.dumps(SETTINGS))
    edit_profile(project, EDITS | GRES | LITTLE_MEMORY)
    runs, interrupted = Runs(cluster, project / "results" / "faults"), {}
    workflow = start_snakemake(cluster, project, "--configfile", "config.yaml", "faults.yaml")

    wait_until(runs.is_tuning, 120, "the step tune")
    cluster.stop("munged")  # SLURM does not answer, but the job continues
    time.sleep(OUTAGE_SECONDS)
    cluster.start_munge()

    def two_seeds_train():
        assert workflow.poll() is None, (project / "snakemake.log").read_text()[-6000:]
        return sum(runs.count_epochs(seed) > 1 for seed in SEEDS) >= 2

    wait_until(two_seeds_train, 300, "two runs at the same time")
    cluster.kill_node()
    on_lost_node = {seed: epochs for seed in SEEDS if (epochs := runs.count_epochs(seed))}
    time.sleep(2)
    cluster.start_node()

    faults = [
        lambda job: (runs.suspend(job), cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")),
        lambda job: cluster.run("scancel", job),
        lambda job: cluster.run("scontrol", "requeue", job),
    ]

    def find_resumed_run():
        assert workflow.poll() is None, (project / "snakemake.log").read_text()[-6000:]
        for seed in [seed for seed in SEEDS if seed not in interrupted]:
            if runs.count_epochs(seed) > on_lost_node.get(seed, 0) + 1 and (job := runs.find_job(seed)):
                return seed, job
        return None

    for fault in faults:
        seed, job = wait_until(find_resumed_run, 300, "a run that is trained again")
        fault(job)
        interrupted[seed] = runs.count_epochs(seed)
    wait_until_done(cluster, project, workflow, 600)
    return runs.results, on_lost_node | interrupted


@pytest.fixture(scope="module")
def undisturbed(finished, tmp_path_factory) -> Path:
    """The results of the same runs from the same start, without SLURM, one after the other."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for part in ("data", "init", "tune", "parity"):
        shutil.copytree(finished[0] / part, folder / "results" / "faults" / part)
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    shutil.copy(finished[0].parents[1] / "broken.py", folder)
    for seed in SEEDS:
        # On one core, as on the cluster: the order of additions depends on the number of threads.
        command = ["taskset", "-c", "0", sys.executable, "-m", "vitbench", "train", "--config", "config.json"]
        subprocess.run(
            [*command, "--model", "vit", "--backend", "torch", "--seed", str(seed)],
            cwd=folder,
            env=subprocess_environment() | {"OMP_NUM_THREADS": "1"},
            check=True,
        )
    return folder / "results" / "faults"


def list_attempts(cluster: Cluster, rule: str) -> list[list[str]]:
    """Number, state and memory of each attempt of the jobs of a rule, in their order, from SLURM's accounting."""
    command = ["sacct", "-X", "--duplicates", "--noheader", "--parsable2", "-o", "JobIDRaw,State,ReqMem,Comment"]
    lines = cluster.run(*command).stdout.splitlines()
    return [line.split("|")[:3] for line in lines if f"rule_{rule}_" in line.split("|")[3]]


def test_no_fault_loses_more_than_the_epoch_in_which_it_happened(finished):
    results, interrupted = finished
    runs = pd.read_parquet(results / "tables/runs.parquet").query("model == 'vit'").set_index("seed")
    assert set(runs["status"]) == {"completed"} and set(runs["epochs"]) == {EPOCHS}
    assert len(interrupted) >= 3 and min(interrupted.values()) > 1
    assert all(runs.loc[seed, "resumptions"] >= 1 for seed in interrupted)
    epochs = pd.read_parquet(results / "tables/epochs.parquet")
    for seed, saved in interrupted.items():
        rows = epochs[epochs["seed"] == seed]
        assert rows["epoch"].tolist() == list(range(1, EPOCHS + 1))
        assert rows.loc[rows["resumed"], "epoch"].max() >= saved  # it resumed there, and not earlier


def test_the_tables_equal_those_of_undisturbed_runs(finished, undisturbed):
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    for seed in SEEDS:
        history = f"runs/vit/torch/tuned/float32/seed{seed}/history.csv"
        actual, expected = (pd.read_csv(folder / history)[columns] for folder in (finished[0], undisturbed))
        pd.testing.assert_frame_equal(actual, expected, rtol=1e-4)


def test_every_kind_of_fault_happened(finished, cluster):
    ends = {state.split()[0] for _, state, _ in list_attempts(cluster, "train")}
    assert {"TIMEOUT", "CANCELLED", "COMPLETED"} <= ends and ends & {"NODE_FAIL", "REQUEUED"}


def test_a_job_that_ran_out_of_memory_is_repeated_with_more(finished, cluster):
    attempts = list_attempts(cluster, "throughput")
    memory = [int(text.rstrip("MG").split(".")[0]) for *_, text in attempts]
    assert any(state.startswith(("OUT_OF_MEMORY", "FAILED")) for _, state, _ in attempts), attempts
    assert memory[0] == 400 and max(memory) > 400, attempts
    table = pd.read_parquet(finished[0] / "tables/throughput.parquet").query("model == 'vit'")
    assert set(table["status"]) == {"completed"}


def test_a_job_that_failed_because_of_the_config_is_reported_and_not_repeated(finished, cluster):
    results, _ = finished
    (row,) = pd.read_parquet(results / "tables/runs.parquet").query("model == 'broken'").to_dict("records")
    assert row["status"] == "gated" and "ValueError: options.width is 0" in row["error"]
    (failure,) = pd.read_parquet(results / "tables/failures.parquet").to_dict("records")
    assert failure["step"] == "parity" and "ValueError: options.width is 0" in failure["last_lines"]
    assert "ValueError: options.width is 0" in (results / "report.html").read_text()
    assert [state for _, state, _ in list_attempts(cluster, "parity")] == ["COMPLETED"] * 2


def test_a_job_sees_the_gpu_that_gres_gave_it(finished):
    files = list(finished[0].glob("runs/vit/*/*/*/*/environment.json"))
    assert len(files) == len(SEEDS)
    assert {json.loads(file.read_text())["variables"]["CUDA_VISIBLE_DEVICES"] for file in files} <= {"0", "1"}


def test_checkpoints_are_removed(finished):
    assert not list((finished[0] / "checkpoints").rglob("*.*"))
