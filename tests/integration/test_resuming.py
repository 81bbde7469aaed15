"""A run that is killed several times ends as if it had never been interrupted."""

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
from helpers.small_experiment import (
    EPOCHS,
    checkpoint_folder,
    run_folder,
    start_training,
    wait_until_done,
    write_config,
)

SHORT = 3  # epochs, where their number does not matter


@pytest.fixture(scope="module")
def uninterrupted(prepared_experiment, tmp_path_factory) -> Path:
    """A project in which a run of each backend has completed."""
    project = copy_project(prepared_experiment, tmp_path_factory.mktemp("uninterrupted"))
    for backend in BACKENDS:
        wait_until_done(start_training(project, backend))
    return project


@pytest.fixture
def project(prepared_experiment, tmp_path) -> Path:
    return copy_project(prepared_experiment, tmp_path)


def copy_project(project: Path, folder: Path) -> Path:
    shutil.copytree(project, folder / "project")
    return folder / "project"


def count_saved_epochs(project: Path, backend: str) -> int:
    try:
        with np.load(checkpoint_folder(project, backend) / "state.npz") as state:
            return len(json.loads(str(state["json"]))["history"]["epoch_rows"])
    except FileNotFoundError:
        return 0


def train_and_kill(project: Path, backend: str, delays: random.Random, kind: signal.Signals) -> int:
    """Kills a run at some moment after it has saved an epoch. Returns the number of saved epochs."""
    saved_before, process = count_saved_epochs(project, backend), start_training(project, backend)
    while count_saved_epochs(project, backend) == saved_before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(delays.uniform(0, 0.1))
    process.send_signal(kind)
    process.communicate(timeout=60)
    assert process.returncode == -kind
    return count_saved_epochs(project, backend)


def load_arrays(weights: Path) -> list[np.ndarray]:
    arrays = []
    with h5py.File(weights) as file:
        file.visititems(lambda _, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return arrays


def assert_same_run(project: Path, uninterrupted: Path, backend: str, sessions: int) -> None:
    """`project` has a run of several sessions, `uninterrupted` one of a single session."""
    resumed, expected = run_folder(project, backend), run_folder(uninterrupted, backend)

    columns = ["epoch", "loss", "accuracy", "top5_accuracy", "val_loss", "val_accuracy", "learning_rate"]
    history, expected_history = (pd.read_csv(folder / "history.csv") for folder in (resumed, expected))
    pd.testing.assert_frame_equal(history[columns], expected_history[columns], rtol=1e-5)
    assert history["epoch"].tolist() == list(range(1, EPOCHS + 1))
    assert history["resumed"].sum() == sessions - 1 and not expected_history["resumed"].any()

    row, expected_row = (json.loads((folder / "metrics.json").read_text()) for folder in (resumed, expected))
    assert row["status"] == expected_row["status"] == "completed"
    for column in ("best_epoch", "best_val_accuracy", "test_accuracy", "test_loss", "epochs"):
        assert row[column] == pytest.approx(expected_row[column], rel=1e-5), column
    assert (row["resumptions"], expected_row["resumptions"]) == (sessions - 1, 0)

    arrays, expected_arrays = (load_arrays(folder / "best.weights.h5") for folder in (resumed, expected))
    for array, expected_array in zip(arrays, expected_arrays, strict=True):
        np.testing.assert_allclose(array, expected_array, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("backend", "kills"), [("torch", 4), ("jax", 1), ("tensorflow", 1)])
def test_a_killed_run_continues_after_its_last_saved_epoch(project, uninterrupted, backend, kills):
    delays, signals = random.Random(backend), [signal.SIGKILL, signal.SIGTERM]
    saved = [train_and_kill(project, backend, delays, signals[i % 2]) for i in range(kills)]
    assert saved == sorted(set(saved)) and saved[-1] < EPOCHS
    output = wait_until_done(start_training(project, backend))
    assert f"resuming after epoch {saved[-1]}" in output
    assert_same_run(project, uninterrupted, backend, sessions=kills + 1)


def test_a_finished_run_whose_results_were_deleted_is_not_trained_again(uninterrupted, tmp_path):
    project = copy_project(uninterrupted, tmp_path)
    results = [run_folder(project, "torch") / name for name in ("metrics.json", "history.csv", "environment.json")]
    before = [file.read_text() for file in results]
    for file in results:  # as Snakemake does with the results of a job whose end it did not see
        file.unlink()
    assert "has already finished" in wait_until_done(start_training(project, "torch"))
    assert [file.read_text() for file in results] == before
    assert not list(checkpoint_folder(project, "torch").glob("*.npz")), "the large files are deleted"


def test_a_checkpoint_of_another_config_is_not_resumed(project):
    assert train_and_kill(project, "torch", random.Random(0), signal.SIGKILL)
    write_config(project, epochs=SHORT, optimizer={"learning_rate": 0.01})
    output = wait_until_done(start_training(project, "torch"))
    assert "was saved with other settings: the run starts from the beginning" in output
    history = pd.read_csv(run_folder(project, "torch") / "history.csv")
    assert history["epoch"].tolist() == list(range(1, SHORT + 1))


def test_a_damaged_checkpoint_is_reported_and_not_resumed(project):
    write_config(project, epochs=SHORT)
    checkpoint_folder(project, "torch").mkdir(parents=True)
    (checkpoint_folder(project, "torch") / "state.npz").write_bytes(b"half of a file")
    output = wait_until_done(start_training(project, "torch"))
    assert "is damaged: the run starts from the beginning" in output


def test_two_processes_never_train_the_same_run(project):
    write_config(project, epochs=SHORT)
    processes = [start_training(project, "torch") for _ in range(2)]
    outputs = [wait_until_done(process) for process in processes]
    first, second = sorted(outputs, key=lambda output: "waiting" in output)
    assert "waiting for another process to end this run" in second and "has already finished" in second
    assert "waiting" not in first and "already finished" not in first
