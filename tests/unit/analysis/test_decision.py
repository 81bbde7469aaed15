"""The decision for training counts the startup, and names the number of epochs at which it changes."""

import pandas as pd
import pytest

from vitbench.analysis.decision import compare_training_times, fastest_by_epochs, predict_training_seconds
from vitbench.config.report import Statistics
from vitbench.results.tables import as_table


def make_rounds(speeds: dict[str, list[float]], startups: dict[str, float]) -> pd.DataFrame:
    keys = {"model": "vit", "phase": "train", "status": "completed", "device": "A CPU", "control": False}
    rows = [
        keys
        | {"backend": backend, "round": i, "images_per_second": speed}
        | {
            "import_seconds": 0.5,
            "device_seconds": 0.5,
            "build_seconds": 1.0,
            "first_step_seconds": startups[backend] - 2,
        }
        for backend, values in speeds.items()
        for i, speed in enumerate(values, start=1)
    ]
    return as_table("rounds", rows)


def test_the_predicted_time_is_the_startup_and_the_epochs():
    predicted = predict_training_seconds(make_rounds({"jax": [50.0]}, {"jax": 12.0}), epochs=3, train_images=100)
    assert predicted[["startup_seconds", "epoch_seconds", "seconds"]].to_numpy().tolist() == [[12.0, 2.0, 18.0]]


def test_inference_controls_and_failed_rounds_predict_nothing():
    rounds = make_rounds({"jax": [50.0] * 3}, {"jax": 12.0})
    rounds["phase"], rounds["control"], rounds["status"] = (
        ["infer", "train", "train"],
        [False, True, False],
        "completed",
    )
    rounds.loc[2, "status"] = "failed"
    assert predict_training_seconds(rounds, 3, 100).empty


def test_a_faster_step_loses_if_its_startup_is_longer_than_what_it_saves():
    speeds = {"jax": [200.0, 202.0, 198.0], "torch": [100.0, 101.0, 99.0]}
    rounds = make_rounds(speeds, {"jax": 12.0, "torch": 4.0})
    few, many = (
        compare_training_times(predict_training_seconds(rounds, epochs, 100), Statistics()).iloc[0]
        for epochs in (2, 100)
    )
    assert few["ratio"] == pytest.approx(6 / 13, rel=0.01) and few["verdict"] == "different"
    assert many["ratio"] == pytest.approx(104 / 62, rel=0.01) and many["ratio_ci_low"] > 1
    assert (few["backend_a"], few["backend_b"], few["n"]) == ("jax", "torch", 3)


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ({"torch": (4, 1.0), "jax": (12, 0.5)}, [("torch", 1), ("jax", 17)]),
        ({"torch": (4, 0.5), "jax": (12, 1.0)}, [("torch", 1)]),
        ({"a": (1, 4.0), "b": (4, 2.0), "c": (30, 1.0)}, [("a", 1), ("b", 2), ("c", 27)]),
        ({"a": (1, 4.0), "b": (100, 3.9), "c": (30, 1.0)}, [("a", 1), ("c", 10)]),
    ],
)
def test_the_backend_that_finishes_first_changes_with_the_number_of_epochs(costs, expected):
    frame = pd.DataFrame(costs, index=["startup", "epoch"]).T
    assert fastest_by_epochs(frame["startup"], frame["epoch"]) == expected
    for epochs in range(1, 120):
        fastest = (frame["startup"] + epochs * frame["epoch"]).idxmin()
        named = [backend for backend, first in expected if first <= epochs][-1]
        times = frame["startup"] + epochs * frame["epoch"]
        assert times[named] == pytest.approx(times[fastest])
