"""The queue for a GPU, rehearsed on a CPU: it stops on one machine, continues on another and ends in a report."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from gpu_queue import read_record
from helpers.backend_processes import REPOSITORY, VARIABLES, subprocess_environment
from vitbench.results.paths import Results

GPU = REPOSITORY / "benchmarks" / "gpu"
OVERLAYS = [REPOSITORY / "config.yaml", GPU / "gpu.yaml", GPU / "rehearsal.yaml"]
CHANGES = {
    "backends": ["torch"],  # it compiles nothing here
    "executions": {"throughput": ["tuned"]},
    "tuning": {"budget_seconds": 4},
    "throughput": {"control": False},
}
RESULTS = Results.for_experiment("gpu-rehearsal")
ROUNDS = [f"throughput vit torch tuned tf32 round{number}" for number in (1, 2)]


@pytest.fixture
def machines(tmp_path) -> list[Path]:
    """The folders of three machines: two with a GPU, and the one at home."""
    (tmp_path / "changes.json").write_text(json.dumps(CHANGES))
    folders = [tmp_path / name for name in ("first", "second", "home")]
    for folder in folders:
        folder.mkdir()
    return folders


def call(machine: Path, *command: str) -> str:
    """Runs a Python command in `machine` and returns its output. It must succeed."""
    arguments = [sys.executable, *command]
    if "unpack" not in command:
        arguments += [f"--config={file}" for file in (*OVERLAYS, machine.parent / "changes.json")]
    environment = subprocess_environment() | VARIABLES
    done = subprocess.run(arguments, cwd=machine, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_queue(machine: Path, *options: str) -> str:
    return call(machine, str(GPU / "gpu_queue.py"), "--seconds", "600", *options)


def carry(sender: Path, receiver: Path) -> None:
    prefix = str(receiver.parent / "parts" / sender.name)
    call(sender, str(GPU / "carry.py"), "pack", prefix, "--part-megabytes", "0.01")
    call(receiver, str(GPU / "carry.py"), "unpack", prefix)


def test_a_queue_that_stops_on_one_machine_continues_on_the_next_and_ends_in_a_report(machines):
    first, second, home = machines
    assert "5 of 7 items are done" in run_queue(first, "--items", "5")
    carry(first, second)
    assert "7 of 7 items are done" in run_queue(second)
    carry(second, home)
    run_queue(home, "--steps", "data")
    call(home, "-m", "vitbench", "tables")
    call(home, "-m", "vitbench", "report")

    record = read_record(home / RESULTS.root / "queue.tsv")
    before = ["data", "init vit seed0", "tune vit torch tf32", "parity vit torch", ROUNDS[0]]
    after = ["data", "init vit seed0", ROUNDS[1], "train vit torch tuned tf32 seed0"]
    assert [row["item"] for row in record] == [*before, *after, "data"]
    assert {row["outcome"] for row in record} == {"completed"}
    rounds = pd.read_parquet(home / RESULTS.tables / "rounds.parquet")
    assert set(zip(rounds["round"], rounds["phase"], rounds["status"], strict=True)) == {
        (number, phase, "completed") for number in (1, 2) for phase in ("train", "infer")
    }
    runs = pd.read_parquet(home / RESULTS.tables / "runs.parquet")
    assert runs["status"].tolist() == ["completed"]
    assert (home / RESULTS.root / "report.html").stat().st_size > 100_000
