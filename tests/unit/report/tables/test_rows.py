"""Columns that are equal in every row move to the caption; configurations keep the order of the config."""

import pandas as pd
import pytest

from helpers import fake_results
from helpers.html_tables import read_caption, read_rows
from vitbench.report.tables import rows

ROW = {"Model": "vit", "Execution": "tuned", "Precision": "float32", "Value": "1"}


def test_columns_that_are_equal_in_every_row_are_stated_once_in_the_caption():
    table = rows.condensed_table([ROW, ROW | {"Precision": "tf32"}], "Caption.", "x")
    assert read_caption(table) == "Caption. All rows: execution tuned."
    assert list(read_rows(table)[0]) == ["Model", "Precision", "Value"]


def test_a_single_row_keeps_all_its_columns():
    table = rows.condensed_table([ROW], "Caption.", "x")
    assert read_caption(table) == "Caption."
    assert list(read_rows(table)[0]) == list(ROW)


def test_configurations_follow_the_order_of_the_config_and_unknown_ones_come_last():
    settings = fake_results.make_config(backends=["torch", "jax"])
    common = {"model": "vit", "execution": "tuned", "precision": "float32"}
    frame = pd.DataFrame([common | {"backend": backend} for backend in ("other", "jax", "torch", "jax")])
    groups = rows.group_configurations(frame, settings)
    assert [(keys[1], len(group)) for keys, group in groups] == [("torch", 1), ("jax", 2), ("other", 1)]


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (0.0214, "test_accuracy", "+0.021"),
        (-0.0214, "test_accuracy", "−0.021"),
        (-1234.0, "seconds", "−1,234"),
        (float("nan"), "test_accuracy", "–"),
    ],
)
def test_differences_have_a_sign(value, metric, text):
    assert rows.format_signed(value, metric) == text


def test_bounds_that_are_not_known_are_a_dash():
    assert rows.format_bounds(0.5, 2.0) == "0.500 to 2"
    assert rows.format_bounds(None, None) == rows.format_bounds(float("nan"), 1.0) == "–"


def test_seconds_become_milliseconds():
    assert rows.format_milliseconds(0.0123) == "12.3"
    assert rows.format_milliseconds(None) == "–"
