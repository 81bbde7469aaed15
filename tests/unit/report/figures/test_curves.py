"""Figures over time show every seed or its range, and their text alternatives state the numbers."""

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies
from vitbench.report.figures.curves import draw_accuracy_over_time, draw_learning_curves, draw_timeline

CASES = {
    "complete": {},
    "a failed run": {"failed": [("torch", 1)]},
    "a gated backend": {"gated": ["torch"]},
    "a missing backend": {"missing": ["torch"]},
    "nothing": {"missing": ["jax", "torch", "tensorflow"]},
}


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("case", CASES)
def test_every_experiment_has_learning_curves_with_a_text_alternative(case, narrow):
    tables = fake_results.make_tables(fake_results.make_config(), **CASES[case])
    figure, alt = draw_learning_curves(tables["epochs"], narrow=narrow)
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] <= (4 if narrow else 10)
    assert "nan" not in alt
    assert alt.startswith("No run completed") if case == "nothing" else "vit jax validation loss" in alt


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("case", CASES)
def test_accuracy_over_time_marks_the_target(case, narrow):
    tables = fake_results.make_tables(fake_results.make_config(), **CASES[case])
    timed = add_wall_seconds(tables["epochs"], tables["runs"])
    figure, alt = draw_accuracy_over_time(timed, target_accuracies(tables["epochs"], 0.5), narrow=narrow)
    figure.draw_without_rendering()
    if case == "nothing":
        assert alt.startswith("No run completed")
    else:
        assert "the target of vit is 0.500" in alt and "nan" not in alt
        assert {text.get_text() for text in figure.legends[0].get_texts()} >= {"jax", "target"}


def test_more_than_five_seeds_are_drawn_as_a_range():
    few, many = (fake_results.make_tables(fake_results.make_config(seeds=range(n)))["epochs"] for n in (5, 6))
    lines = [len(draw_learning_curves(epochs)[0].axes[0].lines) for epochs in (few, many)]
    assert lines == [3 * 2 * (5 + 1), 3 * 2]
    assert len(draw_learning_curves(many)[0].axes[0].collections) == 3 * 2


def test_every_backend_is_drawn_however_many_there_are():
    epochs = fake_results.make_tables(fake_results.make_config(seeds=[0]))["epochs"]
    vit = epochs[epochs["model"] == "vit"]
    others = vit.assign(backend=vit["backend"].map({"jax": "fourth", "torch": "fifth", "tensorflow": "sixth"}))
    figure, alt = draw_learning_curves(pd.concat([vit, others], ignore_index=True))
    assert len(figure.axes[0].lines) == 6 * 2
    assert "vit sixth validation loss" in alt
    widths = [line.get_linewidth() for line in figure.axes[0].lines]
    assert widths == sorted(widths, reverse=True)


def test_a_seed_that_ended_early_is_left_out_of_the_mean():
    epochs = fake_results.make_tables(fake_results.make_config())["epochs"]
    early = epochs[~((epochs["seed"] == 1) & (epochs["epoch"] > 3))]
    early = early.assign(val_loss=early["val_loss"].mask(early["seed"] == 1, 99.0))
    assert draw_learning_curves(early)[1] == draw_learning_curves(epochs[epochs["seed"] != 1])[1]


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
def test_the_timeline_states_the_time_of_the_commands_and_between_them(narrow):
    jobs = fake_results.make_tables(fake_results.make_config())["jobs"]
    figure, alt = draw_timeline(jobs, narrow=narrow)
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] <= (4 if narrow else 10)
    assert alt == "Commands ran for 80 s, with 120 s between them: data 20 s, train 60 s."


def test_an_experiment_without_recorded_times_has_a_timeline_that_says_so():
    jobs = fake_results.make_tables(fake_results.make_config())["jobs"]
    assert draw_timeline(jobs[:0])[1] == "No command recorded when it ran."


def test_times_with_and_without_fractions_of_a_second_can_be_mixed():
    jobs = fake_results.make_tables(fake_results.make_config())["jobs"]
    jobs.loc[0, "finished_at"] = "2026-01-01T00:00:30.500000+00:00"
    assert "data 20.5 s" in draw_timeline(jobs)[1]
