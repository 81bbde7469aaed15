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
LARGE, TINY = np.array([1.0, -4.0]), np.array([1e-9, -1e-9])


def test_differences_are_relative_to_the_largest_expected_magnitude():
    row = measure_difference(LARGE + [0.0, 0.002], LARGE, tolerance=1e-3)
    assert row["max_abs_difference"] == pytest.approx(0.002) and row["max_rel_difference"] == pytest.approx(0.0005)
    assert row["passed"] is True
    assert measure_difference(LARGE + [0.0, 0.005], LARGE, tolerance=1e-3)["passed"] is False


def test_the_cosine_depends_on_direction_and_not_on_size():
    assert measure_difference(2 * LARGE, LARGE, 1)["cosine"] == pytest.approx(1)
    assert measure_difference(np.array([4.0, 1.0]), LARGE, 1)["cosine"] == pytest.approx(0, abs=1e-12)
    assert measure_difference(np.array([1.0]), np.array([2.0]), 1)["cosine"] is None  # a single number has no direction


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_fails_at_any_tolerance(value):
    row = measure_difference(np.array([1.0, value]), LARGE, tolerance=1e30)
    assert row["passed"] is False and row["max_rel_difference"] is None


def test_where_zeros_are_expected_zeros_pass_and_anything_else_fails():
    assert measure_difference(np.zeros(2), np.zeros(2), 1e-6)["passed"] is True
    assert measure_difference(np.array([0.0, 1e-3]), np.zeros(2), 1e-6)["passed"] is False


def test_a_gradient_of_rounding_errors_is_compared_relative_to_the_largest_gradient():
    expected = {"gradient/kernel": LARGE, "gradient/bias": TINY}
    (_, bias) = compare_quantities({"gradient/kernel": LARGE, "gradient/bias": -TINY}, expected, TOLERANCES)
    assert bias["weight"] == "bias" and bias["passed"] and bias["cosine"] is None
    assert bias["max_rel_difference"] == pytest.approx(2e-9 / (SMALLEST_GRADIENT * 4))
    (_, bias) = compare_quantities({"gradient/kernel": LARGE, "gradient/bias": TINY + 1e-5}, expected, TOLERANCES)
    assert not bias["passed"]


def test_the_tolerance_of_gradients_is_at_least_a_multiple_of_the_effect_of_rounding():
    expected = {"gradient/kernel": LARGE, "losses": LARGE}
    computed = {"gradient/kernel": LARGE + 0.2, "losses": LARGE + 0.2}
    assert [row["passed"] for row in compare_quantities(computed, expected, TOLERANCES)] == [False, False]
    (gradient, losses) = compare_quantities(computed, expected | {"rounding": np.array([0.02])}, TOLERANCES)
    assert gradient["tolerance"] == pytest.approx(ROUNDING_MULTIPLE * 0.02) and gradient["passed"]
    assert losses["tolerance"] == TOLERANCES.losses and not losses["passed"]


def test_the_slope_is_compared_relative_to_the_length_of_the_gradient():
    computed = {"gradient/kernel": np.array([3.0, 4.0]), "slope": np.array([1e-3])}
    (row,) = compare_quantities(computed, {"slope": np.array([0.0])}, TOLERANCES)
    assert row["max_rel_difference"] == pytest.approx(1e-3 / 5)


def test_the_worst_row_is_described_in_words():
    rows = compare_quantities(
        {"gradient/a": LARGE, "logits": LARGE + 4}, {"gradient/a": LARGE, "logits": LARGE}, TOLERANCES
    )
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
