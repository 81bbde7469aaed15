"""What counts as the same, and what is said of what does not."""

import numpy as np
import pytest

from vitbench.config.parity import Tolerances
from vitbench.parity.tolerance import (
    ROUNDING_MULTIPLE,
    SMALLEST_GRADIENT,
    compare_quantities,
    describe_row,
    find_worst,
    measure_difference,
)

TOLERANCES = Tolerances()
BIG, TINY = np.array([1.0, -4.0]), np.array([1e-9, -1e-9])


def test_differences_are_relative_to_the_largest_magnitude_expected():
    row = measure_difference(BIG + [0.0, 0.002], BIG, tolerance=1e-3)
    assert row["max_abs_difference"] == pytest.approx(0.002) and row["max_rel_difference"] == pytest.approx(0.0005)
    assert row["passed"] is True
    assert measure_difference(BIG + [0.0, 0.005], BIG, tolerance=1e-3)["passed"] is False


def test_the_cosine_tells_direction_from_size():
    assert measure_difference(2 * BIG, BIG, 1)["cosine"] == pytest.approx(1)
    assert measure_difference(np.array([4.0, 1.0]), BIG, 1)["cosine"] == pytest.approx(0, abs=1e-12)
    assert measure_difference(np.array([1.0]), np.array([2.0]), 1)["cosine"] is None  # one number has no direction


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_fails_whatever_the_tolerance(wrong):
    row = measure_difference(np.array([1.0, wrong]), BIG, tolerance=1e30)
    assert row["passed"] is False and row["max_rel_difference"] is None


def test_nothing_where_nothing_is_expected_passes_and_something_fails():
    assert measure_difference(np.zeros(2), np.zeros(2), 1e-6)["passed"] is True
    assert measure_difference(np.array([0.0, 1e-3]), np.zeros(2), 1e-6)["passed"] is False


def test_a_gradient_of_rounding_errors_alone_is_judged_by_the_models_largest():
    expected = {"gradient/kernel": BIG, "gradient/bias": TINY}
    (_, bias) = compare_quantities({"gradient/kernel": BIG, "gradient/bias": -TINY}, expected, TOLERANCES)
    assert bias["weight"] == "bias" and bias["passed"] and bias["cosine"] is None
    assert bias["max_rel_difference"] == pytest.approx(2e-9 / (SMALLEST_GRADIENT * 4))
    (_, bias) = compare_quantities({"gradient/kernel": BIG, "gradient/bias": TINY + 1e-5}, expected, TOLERANCES)
    assert not bias["passed"]


def test_gradients_are_compared_no_more_closely_than_rounding_lets_them():
    expected = {"gradient/kernel": BIG, "losses": BIG}
    found = {"gradient/kernel": BIG + 0.2, "losses": BIG + 0.2}
    assert [row["passed"] for row in compare_quantities(found, expected, TOLERANCES)] == [False, False]
    (gradient, losses) = compare_quantities(found, expected | {"rounding": np.array([0.02])}, TOLERANCES)
    assert gradient["tolerance"] == pytest.approx(ROUNDING_MULTIPLE * 0.02) and gradient["passed"]
    assert losses["tolerance"] == TOLERANCES.losses and not losses["passed"]


def test_the_worst_row_is_told_in_a_clause():
    rows = compare_quantities({"gradient/a": BIG, "logits": BIG + 4}, {"gradient/a": BIG, "logits": BIG}, TOLERANCES)
    row = find_worst(rows) | {"execution": "tuned", "reference_backend": "jax"}
    assert (
        describe_row(row)
        == "logits (tuned), compared with jax, differs by 1 of the largest value; the tolerance is 3e-05"
    )
    broken = measure_difference(np.array([np.nan]), np.array([1.0]), 1e-3) | {
        "quantity": "gradient",
        "weight": "a/kernel",
    }
    assert find_worst([*rows, broken]) is broken
    assert "gradient of a/kernel (tuned), compared with jax, is NaN or infinite" in describe_row(row | broken)
