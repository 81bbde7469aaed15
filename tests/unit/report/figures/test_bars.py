"""Figures of accuracies and speeds can be drawn from any table, and their text alternatives state the numbers."""

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.report.figures.bars import draw_accuracy, draw_ratios, draw_throughput

CASES = {
    "complete": {},
    "a failed run": {"failed": [("torch", 1)]},
    "a gated backend": {"gated": ["torch"]},
    "a missing backend": {"missing": ["torch"]},
    "nothing": {"missing": ["jax", "torch", "tensorflow"]},
}


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("draw", "table"), [(draw_accuracy, "runs"), (draw_throughput, "throughput")])
def test_every_experiment_has_a_figure_with_a_text_alternative(draw, table, case, narrow):
    tables = fake_results.make_tables(fake_results.make_config(), **CASES[case])
    figure, alt = draw(tables[table], narrow=narrow)
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] <= (4 if narrow else 10)
    assert "nan" not in alt
    assert len(alt) > 20
    if case == "nothing":
        assert alt.startswith(("No run completed", "No throughput measurement completed"))
    else:
        assert "jax" in alt


def test_text_alternatives_state_the_numbers_and_what_did_not_complete():
    tables = fake_results.make_tables(fake_results.make_config(), failed=[("torch", 1)], gated=["tensorflow"])
    _, alt = draw_accuracy(tables["runs"])
    assert "vit on torch: 1 failed" in alt
    assert "vit on tensorflow: 2 gated" in alt
    _, alt = draw_throughput(tables["throughput"])
    assert "vit training jax tuned batch 64: 1,234" in alt
    assert "vit tensorflow tuned: gated" in alt


def test_a_model_name_with_dollar_signs_is_drawn_literally():
    runs = fake_results.make_tables(fake_results.make_config())["runs"].assign(model=r"$\unknown$")
    figure, _ = draw_accuracy(runs)
    figure.draw_without_rendering()


def test_several_batch_sizes_are_drawn_as_lines_over_the_batch_size():
    settings = fake_results.make_config(throughput={"batch_sizes": [32, 2048]})
    figure, alt = draw_throughput(fake_results.make_tables(settings)["throughput"])
    axes = figure.axes[0]
    assert axes.get_xlabel() == "batch size"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["32", "2,048"]
    assert axes.yaxis.get_major_formatter()(1500, 0) == "1,500"
    assert "batch 32" in alt


def test_a_batch_size_that_ran_out_of_memory_is_marked_at_zero():
    settings = fake_results.make_config(throughput={"batch_sizes": [32, 64, 128]})
    tables = fake_results.make_tables(settings, too_large=[("torch", 128)])
    figure, alt = draw_throughput(tables["throughput"])
    assert "vit training batch 128 torch tuned: out_of_memory" in alt
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "out of memory"
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "X"]
    assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in marks} == {(128, 0)}


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
def test_ratios_of_two_experiments_are_named_by_the_keys_that_vary(narrow):
    common = {"model": "vit", "precision": "float32", "execution": "tuned", "phase": "train"}
    speeds = pd.DataFrame(
        [
            {**common, "backend": "jax", "batch_size": 1024, "ratio": 1.5, "ratio_ci_low": 1.4, "ratio_ci_high": 1.6},
            {**common, "backend": "torch", "batch_size": 64, "ratio": 0.9, "ratio_ci_low": None, "ratio_ci_high": None},
        ]
    )
    figure, alt = draw_ratios(speeds, ("old", "new"), narrow=narrow)
    figure.draw_without_rendering()
    assert alt == "Speed of new over that of old: vit · jax · 1,024 · training 1.50; vit · torch · 64 · training 0.900."
    assert figure.axes[0].get_xlabel() == "images/s, new ÷ old"


def test_two_experiments_without_a_common_measurement_have_a_figure_that_says_so():
    _, alt = draw_ratios(pd.DataFrame(), ("old", "new"))
    assert alt.startswith("No measurement was completed in both")
