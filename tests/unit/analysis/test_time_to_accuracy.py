"""Time to accuracy is counted from the start of the process, and the default target is one that every run reaches."""

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies, time_to_target
from vitbench.results.schema import CONFIGURATION_KEYS

KEYS = {"model": "vit", "backend": "jax", "execution": "tuned", "precision": "float32"}


def epochs(seed: int, accuracies: list[float], seconds: float = 10.0) -> pd.DataFrame:
    rows = [
        KEYS | {"seed": seed, "epoch": n, "val_accuracy": accuracy, "train_seconds": seconds, "validation_seconds": 1.0}
        for n, accuracy in enumerate(accuracies, start=1)
    ]
    return pd.DataFrame(rows)


def runs(*seeds: int) -> pd.DataFrame:
    startup = {"import_seconds": 2.0, "device_seconds": 1.0, "first_step_seconds": 4.0}
    return pd.DataFrame([KEYS | startup | {"seed": seed, "status": "completed"} for seed in seeds])


def test_wall_time_includes_startup():
    timed = add_wall_seconds(epochs(0, [0.1, 0.2]), runs(0))
    assert timed["wall_seconds"].tolist() == [3 + 4 + 11, 3 + 4 + 22]


def test_an_unknown_startup_counts_as_zero():
    unknown = runs(0).assign(import_seconds=float("nan"), device_seconds=float("nan"), first_step_seconds=float("nan"))
    assert add_wall_seconds(epochs(0, [0.1]), unknown)["wall_seconds"].tolist() == [11]


def test_the_target_is_the_highest_whole_percentage_that_every_run_reaches():
    both = pd.concat([epochs(0, [0.1, 0.509, 0.3]), epochs(1, [0.7, 0.6])])
    assert target_accuracies(both, None) == {"vit": 0.5}
    assert target_accuracies(epochs(0, [0.29]), None) == {"vit": 0.29}
    assert target_accuracies(both, 0.65) == {"vit": 0.65}


def test_the_target_is_reached_at_the_first_epoch_that_is_as_accurate():
    timed = add_wall_seconds(pd.concat([epochs(0, [0.1, 0.5, 0.4]), epochs(1, [0.6, 0.7], 20.0)]), runs(0, 1))
    (row,) = time_to_target(timed, {"vit": 0.5}).to_dict("records")
    assert (row["runs"], row["reached"], row["epochs"]) == (2, 2, 1.5)
    assert (row["seconds_least"], row["seconds_largest"]) == (7 + 21, 7 + 22)
    assert row["seconds"] == pytest.approx(28.5)


def test_runs_that_missed_the_target_are_counted():
    timed = add_wall_seconds(pd.concat([epochs(0, [0.9]), epochs(1, [0.2])]), runs(0, 1))
    (row,) = time_to_target(timed, {"vit": 0.5}).to_dict("records")
    assert (row["runs"], row["reached"], row["seconds"]) == (2, 1, 18.0)
    (row,) = time_to_target(timed, {"vit": 0.95}).to_dict("records")
    assert row["reached"] == 0 and pd.isna(row["seconds"])


def test_diverged_runs_are_left_out():
    both = pd.concat([epochs(0, [0.9]), epochs(1, [0.01])])
    timed = add_wall_seconds(both, runs(0, 1).assign(status=["completed", "diverged"]))
    assert target_accuracies(timed, None) == {"vit": 0.9}
    assert time_to_target(timed, {"vit": 0.5})["runs"].tolist() == [1]


def test_every_configuration_has_a_row():
    tables = fake_results.make_tables(fake_results.make_config())
    timed = add_wall_seconds(tables["epochs"], tables["runs"])
    assert len(timed) == len(tables["epochs"])
    times = time_to_target(timed, target_accuracies(timed, None))
    assert (times["reached"] == times["runs"]).all()
    assert len(times) == len(tables["epochs"].drop_duplicates(CONFIGURATION_KEYS))


def test_without_epochs_there_are_no_rows():
    tables = fake_results.make_tables(fake_results.make_config(), missing=["jax", "torch", "tensorflow"])
    timed = add_wall_seconds(tables["epochs"], tables["runs"])
    assert time_to_target(timed, target_accuracies(timed, None)).empty
