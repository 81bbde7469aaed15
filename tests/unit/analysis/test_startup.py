"""A longer startup pays off after some epochs, and idle time lies between commands of one call of the workflow."""

import numpy as np
import pandas as pd
import pytest

from vitbench.analysis.startup import busy_and_idle_seconds, startup_costs


def measurement(backend: str, startup: float, images_per_second: float, **changes) -> dict:
    row = {
        "model": "vit",
        "precision": "float32",
        "batch_size": 64,
        "backend": backend,
        "execution": "tuned",
        "phase": "train",
        "status": "completed",
        "images_per_second": images_per_second,
        "import_seconds": 0.75,
        "device_seconds": 0.25,
        "build_seconds": 0.5,
        "first_step_seconds": startup - 1.5,
    }
    return row | changes


def test_faster_epochs_make_up_for_a_longer_startup():
    rows = [measurement("torch", 5, 100), measurement("jax", 35, 200), measurement("tensorflow", 25, 80)]
    costs = startup_costs(pd.DataFrame(rows), train_images=1000).set_index("backend")
    assert costs["epoch_seconds"].to_dict() == {"torch": 10.0, "jax": 5.0, "tensorflow": 12.5}
    assert costs["startup_seconds"].to_dict() == {"torch": 5.0, "jax": 35.0, "tensorflow": 25.0}
    # jax starts 30 s later and saves 5 s per epoch. tensorflow starts later and is slower, so it never makes up for it.
    assert costs["break_even_epochs"].to_dict() == {"torch": 0.0, "jax": 6.0, "tensorflow": np.inf}


def test_only_training_measurements_under_equal_conditions_are_compared():
    rows = [
        measurement("torch", 5, 100),
        measurement("jax", 35, 200, batch_size=128),
        measurement("jax", 9, 1, phase="infer"),
        measurement("jax", 1, 500, execution="native"),
        measurement("jax", 1, 500, status="out_of_memory"),
    ]
    costs = startup_costs(pd.DataFrame(rows), train_images=1000)
    assert costs[["backend", "batch_size", "break_even_epochs"]].to_numpy().tolist() == [
        ["torch", 64, 0.0],
        ["jax", 128, 0.0],
    ]


def test_without_the_number_of_images_the_break_even_is_null():
    rows = [measurement("torch", 5, 100), measurement("jax", 35, 200)]
    assert startup_costs(pd.DataFrame(rows), train_images=None)["break_even_epochs"].isna().all()


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], (0.0, 0.0)),
        ([(0, 10), (10, 20)], (20.0, 0.0)),
        ([(0, 10), (12, 20), (25, 30)], (23.0, 7.0)),
        ([(0, 30), (5, 10), (31, 32)], (31.0, 1.0)),  # one lies within another
        ([(0, 30), (20, 40)], (40.0, 0.0)),
        ([(0, 30), (630, 640), (1250, 1260)], (50.0, 600.0)),  # the second gap is a pause between two calls
    ],
)
def test_idle_time_is_that_in_which_no_command_runs(spans, expected):
    def timestamp(second: int) -> str:
        return f"2026-01-01T00:{second // 60:02}:{second % 60:02}+00:00"

    rows = [(timestamp(start), timestamp(end)) for start, end in spans]
    assert busy_and_idle_seconds(pd.DataFrame(rows, columns=["started_at", "finished_at"])) == expected
