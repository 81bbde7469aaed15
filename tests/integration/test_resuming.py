"""A run that is killed again and again, by the real command: it ends as if nobody had touched it."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.backend_processes import BACKENDS
from integration.by_hand import CONFIG, EPOCHS, checkpoint_of, ended, run_of, train


@pytest.fixture(scope="module")
def uninterrupted(prepared, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted") / "project"
    shutil.copytree(prepared, folder)
    for backend in BACKENDS:
        ended(train(folder, backend))
    return folder


def copied(project: Path, to: Path) -> Path:
    shutil.copytree(project, to / "project")
    return to / "project"


def epochs_kept(folder: Path, backend: str) -> int:
    try:
        with np.load(checkpoint_of(folder, backend) / "state.npz") as kept:
            return len(json.loads(str(kept["json"]))["history"]["epoch_rows"])
    except FileNotFoundError:
        return 0


def killed(folder: Path, backend: str, chance: random.Random, how: signal.Signals) -> int:
    """The epochs that are kept when a process is killed at some moment after it has begun to train."""
    before, process = epochs_kept(folder, backend), train(folder, backend)
    while epochs_kept(folder, backend) == before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.15))
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == -how
    return epochs_kept(folder, backend)


def assert_same_run(folder: Path, other: Path, backend: str, sessions: int) -> None:
    measured = ["epoch", "loss", "accuracy", "top5_accuracy", "val_loss", "val_accuracy", "learning_rate"]
    histories = [pd.read_csv(run_of(where, backend, "history.csv")) for where in (folder, other)]
    pd.testing.assert_frame_equal(*(history[measured] for history in histories), rtol=1e-5)
    assert histories[0]["epoch"].tolist() == list(range(1, EPOCHS + 1))
    assert histories[0]["resumed"].sum() == sessions - 1 and not histories[1]["resumed"].any()
    rows = [json.loads(run_of(where, backend, "metrics.json").read_text()) for where in (folder, other)]
    assert [row["status"] for row in rows] == ["completed", "completed"]
    for column in ("best_epoch", "best_val_accuracy", "test_accuracy", "test_loss", "epochs"):
        assert rows[0][column] == pytest.approx(rows[1][column], rel=1e-5), column
    assert [row["resumptions"] for row in rows] == [sessions - 1, 0]
    for mine, theirs in zip(*(arrays(run_of(w, backend, "best.weights.h5")) for w in (folder, other)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)


def arrays(weights: Path) -> list[np.ndarray]:
    found = []
    with h5py.File(weights) as file:
        file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize(("backend", "times"), [("torch", 10), ("jax", 1), ("tensorflow", 1)])
def test_a_run_that_is_killed_goes_on_after_its_last_epoch(prepared, uninterrupted, tmp_path, backend, times):
    folder, chance = copied(prepared, tmp_path), random.Random(backend)
    kept = [killed(folder, backend, chance, (signal.SIGKILL, signal.SIGTERM)[i % 2]) for i in range(times)]
    assert kept == sorted(set(kept)) and kept[-1] < EPOCHS
    said = ended(train(folder, backend))
    assert f"resuming after epoch {kept[-1]}" in said
    assert_same_run(folder, uninterrupted, backend, sessions=times + 1)


def test_one_that_nobody_heard_of_is_not_trained_again(uninterrupted, tmp_path):
    folder = copied(uninterrupted, tmp_path)
    results = [run_of(folder, "torch", name) for name in ("metrics.json", "history.csv", "environment.json")]
    before = [file.read_text() for file in results]
    for file in results:  # as Snakemake does with what a job left whose end it did not see
        file.unlink()
    assert "has already finished" in ended(train(folder, "torch"))
    assert [file.read_text() for file in results] == before
    assert not list(checkpoint_of(folder, "torch").glob("*.npz")), "the large files are gone"


def test_what_another_config_left_is_not_taken_up(prepared, tmp_path):
    folder = copied(prepared, tmp_path)
    assert killed(folder, "torch", random.Random(0), signal.SIGKILL)
    changed = CONFIG["training"] | {"optimizer": {"learning_rate": 0.01}}
    (folder / "config.json").write_text(json.dumps(CONFIG | {"training": changed}))
    assert "was saved with other settings: the run starts from the beginning" in ended(train(folder, "torch"))
    assert pd.read_csv(run_of(folder, "torch", "history.csv"))["epoch"].tolist() == list(range(1, EPOCHS + 1))


def test_a_damaged_checkpoint_is_said_and_not_taken_up(prepared, tmp_path):
    folder = copied(prepared, tmp_path)
    checkpoint_of(folder, "torch").mkdir(parents=True)
    (checkpoint_of(folder, "torch") / "state.npz").write_bytes(b"half of a file")
    assert "is damaged: the run starts from the beginning" in ended(train(folder, "torch"))


def test_two_processes_are_never_at_one_run(prepared, tmp_path):
    folder = copied(prepared, tmp_path)
    both = [train(folder, "torch") for _ in range(2)]
    said = sorted((ended(process) for process in both), key=lambda words: "waiting" in words)
    assert "waiting for another process to end this run" in said[1] and "has already finished" in said[1]
    assert "waiting" not in said[0] and "had come" not in said[0]
