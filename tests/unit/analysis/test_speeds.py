"""Speeds are compared over rounds: false verdicts are rare, a disturbed round decides nothing, few rounds give none."""

import numpy as np
import pandas as pd
import pytest

from vitbench.analysis.speeds import compare_backend_speeds, compare_controls, examine_log_ratios, judge_speeds
from vitbench.config.report import Statistics
from vitbench.results.tables import as_table

SETTINGS = Statistics()
TRIALS = 400


def make_rounds(speeds: dict[str, list[float]], device: str = "A CPU", **columns) -> pd.DataFrame:
    """tables/rounds with these speeds of training, by backend and round."""
    keys = {"experiment": "e", "dataset": "d", "model": "vit", "execution": "tuned", "precision": "float32"}
    keys |= {"phase": "train", "batch_size": 64, "status": "completed", "device": device, "control": False}
    rows = [
        keys | {"backend": backend, "round": i, "images_per_second": speed} | columns
        for backend, values in speeds.items()
        for i, speed in enumerate(values, start=1)
    ]
    return as_table("rounds", rows)


def compare(speeds: dict[str, list[float]]) -> dict:
    (row,) = compare_backend_speeds(make_rounds(speeds), SETTINGS)
    return row


def test_what_slows_both_backends_in_a_round_does_not_count():
    row = compare({"jax": [200, 100, 300], "torch": [101, 50, 151]})
    assert row["ratio"] == pytest.approx(1.99, abs=0.01) and row["n"] == 3
    assert 1.9 < row["ratio_ci_low"] < row["ratio"] < row["ratio_ci_high"] < 2.1
    assert row["verdict"] == "different" and row["metric"] == "train_images_per_second"


def test_close_speeds_are_equivalent():
    assert compare({"jax": [100, 101, 100], "torch": [101, 101, 100]})["verdict"] == "equivalent"


def test_an_inconclusive_verdict_says_how_many_rounds_would_decide():
    verdict = compare({"jax": [100, 120, 95, 110], "torch": [95, 100, 100, 96]})["verdict"]
    assert verdict.startswith("inconclusive (n too small: about ") and verdict.endswith(" rounds would decide)")


@pytest.mark.parametrize(("rounds", "verdict"), [(1, "no verdict: one round"), (2, "no verdict: 2 rounds")])
def test_fewer_than_three_rounds_give_no_verdict(rounds, verdict):
    row = compare({"jax": [200.0, 201.0][:rounds], "torch": [100.0, 101.0][:rounds]})
    assert row["verdict"] == verdict and row["ratio"] == pytest.approx(2, rel=0.01)


def test_rounds_on_different_devices_are_not_compared():
    rounds = pd.concat([make_rounds({"jax": [10.0] * 3}), make_rounds({"torch": [20.0] * 3}, device="A GPU")])
    (row,) = compare_backend_speeds(rounds, SETTINGS)
    assert row["n"] == 0 and row["verdict"] == "no verdict: no round"


def test_one_disturbed_round_makes_no_different_speeds_of_equal_ones():
    row = compare({"jax": [100, 101, 99, 100, 40], "torch": [100, 100, 100, 101, 100]})
    assert row["verdict"].startswith("inconclusive")


def test_one_disturbed_round_does_not_hide_a_large_difference():
    row = compare({"jax": [200, 202, 198, 200, 120], "torch": [100, 100, 100, 101, 100]})
    assert row["verdict"] == "different"


@pytest.mark.parametrize("rounds", [3, 5])
def test_equal_backends_are_rarely_called_different(rounds):
    random = np.random.default_rng(5)
    different = 0
    for scatter in random.normal(0, 0.08, (TRIALS, rounds)):
        (row,) = judge_speeds([examine_log_ratios(scatter, SETTINGS)], SETTINGS)
        different += row["verdict"] == "different"
    assert different / TRIALS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / TRIALS)


def test_the_control_is_compared_with_the_first_measurement_of_the_same_round():
    rounds = pd.concat(
        [
            make_rounds({"jax": [100.0, 200.0, 300.0], "torch": [1.0, 2.0, 3.0]}),
            make_rounds({"jax": [110.0, 220.0, 330.0]}, control=True),
        ]
    )
    (row,) = compare_controls(rounds, SETTINGS).to_dict("records")
    assert (row["backend"], row["n"]) == ("jax", 3)
    assert row["ratio"] == pytest.approx(1 / 1.1) and row["difference"] == pytest.approx(0.1)
    assert row["verdict"] == "different"
    assert len(compare_backend_speeds(rounds, SETTINGS)) == 1  # the control is no backend of its own
