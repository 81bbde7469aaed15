"""What happens to jobs on a cluster, here one with accounting: all of it at once, and the tables are the same."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import psutil
import pytest

from helpers.backend_processes import subprocess_environment
from helpers.cluster import Cluster
from helpers.slurm_runs import EDITS, GRES, edit_profile, ended, snakemake, until
from helpers.small_experiment import CONFIG

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
OUTAGE_SECONDS = 16  # of SLURM; by then the executor's own five attempts to ask it are over
SETTINGS = CONFIG | {
    "experiment": "faults",
    "accelerator": "auto",
    "allow_cpu": True,
    "models": CONFIG["models"] | {"broken": {"builder": "broken:build"}},
    "backends": ["torch"],
    "baseline": {"model": "broken", "backends": ["torch"], "seeds": [0]},
    "seeds": SEEDS,
    "executions": {"throughput": ["tuned"]},
    "tuning": {"budget_seconds": 20, "timed_steps": 2},
    "training": CONFIG["training"] | {"epochs": EPOCHS},
}
# Too little at first for a process that holds torch, and too little again at the second attempt.
LITTLE_MEMORY = {
    '  throughput: {gpu: 0, gres: "gpu:1"}\n': '  throughput: {gpu: 0, gres: "gpu:1", mem_mb: 400 * attempt}\n'
}


class Runs:
    """What can be seen and done from outside while the runs are trained."""

    def __init__(self, cluster: Cluster, results):
        self.cluster, self.results = cluster, results

    def job_of(self, seed: int) -> str | None:
        """SLURM's number of the job that trains with this seed, if it runs."""
        for line in self.cluster.run("squeue", "-h", "--states=RUNNING", "-o", "%i %k").stdout.splitlines():
            number, _, comment = line.partition(" ")
            if comment.startswith("rule_train") and "vit" in comment and comment.endswith(f"_{seed}"):
                return number
        return None

    def epochs(self, seed: int) -> int:
        folder = self.results / "checkpoints/vit/torch/tuned/float32" / f"seed{seed}"
        with contextlib.suppress(FileNotFoundError), np.load(folder / "state.npz") as kept:
            return len(json.loads(str(kept["json"]))["history"]["epoch_rows"])
        return 0

    def stopped(self, job: str) -> None:
        """Makes the job's training hang."""
        for process, of in self._processes("train"):
            if of == job:
                process.send_signal(signal.SIGSTOP)

    def tuned(self) -> bool:
        """Whether a plan for the ViT is being looked for."""
        return any("vit" in process.cmdline() for process, _ in self._processes("tune"))

    def _processes(self, step: str) -> Iterator[tuple[psutil.Process, str]]:
        """The jobs' processes with this command, and the number of the job of each."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if step in process.cmdline() and (job := process.environ().get("SLURM_JOB_ID")):
                    yield process, job


@pytest.fixture(scope="module")
def ran(cluster, project):
    """The experiment after five kinds of fault: (results, what Snakemake said, epochs kept when it was hit by seed)."""
    (project / "broken.py").write_text(BROKEN)
    (project / "faults.yaml").write_text(json.dumps(SETTINGS))
    edit_profile(project, EDITS | GRES | LITTLE_MEMORY)
    runs, hit = Runs(cluster, project / "results" / "faults"), {}
    workflow = snakemake(cluster, project, "--configfile", "config.yaml", "faults.yaml")

    until(runs.tuned, 120, "the job that tunes")
    cluster.stop("munged")  # SLURM does not answer, and the job goes on
    time.sleep(OUTAGE_SECONDS)
    cluster.start_munge()

    def two_are_trained():
        assert workflow.poll() is None, (project / "snakemake.log").read_text()[-6000:]
        return [seed for seed in SEEDS if runs.epochs(seed) > 1][1:]

    until(two_are_trained, 300, "two runs at once")
    cluster.kill_node()
    lost = {seed: kept for seed in SEEDS if (kept := runs.epochs(seed))}
    time.sleep(2)
    cluster.start_node()

    faults = [
        lambda job: (runs.stopped(job), cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")),
        lambda job: cluster.run("scancel", job),
        lambda job: cluster.run("scontrol", "requeue", job),
    ]

    def one_goes_on():
        assert workflow.poll() is None, (project / "snakemake.log").read_text()[-6000:]
        for seed in [seed for seed in SEEDS if seed not in hit]:
            if runs.epochs(seed) > lost.get(seed, 0) + 1 and (job := runs.job_of(seed)):
                return seed, job
        return None

    for fault in faults:
        seed, job = until(one_goes_on, 300, "a run that goes on")
        fault(job)
        hit[seed] = runs.epochs(seed)
    return runs.results, ended(cluster, project, workflow, 600), lost | hit


@pytest.fixture(scope="module")
def untouched(ran, tmp_path_factory):
    """The same runs from the same start, here and without SLURM, one after the other."""
    folder = tmp_path_factory.mktemp("untouched")
    for part in ("data", "init", "tune", "parity"):
        shutil.copytree(ran[0] / part, folder / "results" / "faults" / part)
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    shutil.copy(ran[0].parents[1] / "broken.py", folder)
    for seed in SEEDS:
        # on one core, as there: another number of threads adds up in another order
        command = ["taskset", "-c", "0", sys.executable, "-m", "vitbench", "train", "--config", "config.json"]
        subprocess.run(
            [*command, "--model", "vit", "--backend", "torch", "--seed", str(seed)],
            cwd=folder,
            env=subprocess_environment() | {"OMP_NUM_THREADS": "1"},
            check=True,
        )
    return folder / "results" / "faults"


def states(cluster: Cluster, rule: str) -> list[list[str]]:
    """What accounting knows of the jobs of a rule: number, state and memory of each attempt, in their order."""
    command = ["sacct", "-X", "--duplicates", "--noheader", "--parsable2", "-o", "JobIDRaw,State,ReqMem,Comment"]
    lines = cluster.run(*command).stdout.splitlines()
    return [line.split("|")[:3] for line in lines if f"rule_{rule}_" in line.split("|")[3]]


def test_no_fault_loses_more_than_the_epoch_that_it_hit(ran):
    results, _, hit = ran
    runs = pd.read_parquet(results / "tables/runs.parquet").query("model == 'vit'").set_index("seed")
    assert set(runs["status"]) == {"completed"} and set(runs["epochs"]) == {EPOCHS}
    assert len(hit) >= 3 and all(kept > 1 for kept in hit.values())
    assert all(runs.loc[seed, "resumptions"] >= 1 for seed in hit)
    epochs = pd.read_parquet(results / "tables/epochs.parquet")
    for seed, kept in hit.items():
        of_run = epochs[epochs["seed"] == seed]
        assert of_run["epoch"].tolist() == list(range(1, EPOCHS + 1))
        assert of_run.loc[of_run["resumed"], "epoch"].max() >= kept  # it went on there, and not before


def test_the_tables_are_those_of_runs_that_nothing_happened_to(ran, untouched):
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    for seed in SEEDS:
        where = f"runs/vit/torch/tuned/float32/seed{seed}/history.csv"
        mine, theirs = (pd.read_csv(folder / where)[columns] for folder in (ran[0], untouched))
        pd.testing.assert_frame_equal(mine, theirs, rtol=1e-4)


def test_accounting_knows_every_kind_of_end(ran, cluster):
    ends = {state.split()[0] for _, state, _ in states(cluster, "train")}
    assert {"TIMEOUT", "CANCELLED", "COMPLETED"} <= ends and ends & {"NODE_FAIL", "REQUEUED"}


def test_a_job_that_ran_out_of_memory_is_repeated_with_more(ran, cluster):
    attempts = states(cluster, "throughput")
    memory = [int(found.rstrip("MG").split(".")[0]) for *_, found in attempts]
    of_vit = [i for i, (_, state, _) in enumerate(attempts) if state.startswith(("OUT_OF_MEMORY", "FAILED"))]
    assert of_vit, attempts
    assert memory[0] == 400 and max(memory) > 400, attempts
    table = pd.read_parquet(ran[0] / "tables/throughput.parquet").query("model == 'vit'")
    assert set(table["status"]) == {"completed"}


def test_one_that_failed_by_the_config_is_not_repeated_and_is_told(ran, cluster):
    results, _, _ = ran
    (row,) = pd.read_parquet(results / "tables/runs.parquet").query("model == 'broken'").to_dict("records")
    assert row["status"] == "gated" and "ValueError: options.width is 0" in row["error"]
    (failure,) = pd.read_parquet(results / "tables/failures.parquet").to_dict("records")
    assert failure["step"] == "parity" and "ValueError: options.width is 0" in failure["last_lines"]
    assert "ValueError: options.width is 0" in (results / "report.html").read_text()
    assert [state for _, state, _ in states(cluster, "parity")] == ["COMPLETED"] * 2


def test_a_job_sees_the_gpu_that_gres_gave_it(ran):
    seen = [json.loads(path.read_text())["variables"] for path in ran[0].glob("runs/vit/*/*/*/*/environment.json")]
    assert {variables["CUDA_VISIBLE_DEVICES"] for variables in seen} <= {"0", "1"} and len(seen) == len(SEEDS)


def test_checkpoints_are_gone(ran):
    assert not list((ran[0] / "checkpoints").rglob("*.*"))
