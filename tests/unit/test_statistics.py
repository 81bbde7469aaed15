import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vitbench.config import Statistics
from vitbench.statistics import (
    advised,
    compare,
    comparisons,
    holm,
    judged,
    power_of_difference,
    power_of_equivalence,
    seeds_needed,
)

SETTINGS = Statistics()
MARGIN = SETTINGS.equivalence_margin
BASE = np.array([0.50, 0.52, 0.51, 0.53, 0.49])


def verdict(a: np.ndarray, b: np.ndarray) -> str:
    (row,) = advised(judged([compare(a, b, SETTINGS)], SETTINGS), SETTINGS)
    return row["verdict"]


def test_the_interval_and_p_value_are_those_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.60, 0.01, 6), rng.normal(0.55, 0.01, 6)
    row, reference = compare(a, b, SETTINGS), stats.ttest_rel(a, b)
    assert row["p_value"] == pytest.approx(reference.pvalue)
    low, high = reference.confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert verdict(a, b) == "different"


def test_equivalence_is_two_one_sided_tests_against_the_margin():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.60, 0.004, 8), rng.normal(0.60, 0.004, 8)
    above = stats.ttest_1samp(a - b, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(a - b, MARGIN, alternative="less").pvalue
    assert compare(a, b, SETTINGS)["p_equivalence"] == pytest.approx(max(above, below))


def test_close_runs_are_equivalent_and_scattered_ones_inconclusive():
    assert verdict(BASE, BASE + [0.001, -0.001, 0.002, -0.002, 0.0]) == "equivalent"
    scattered = verdict(BASE, BASE + [0.05, -0.05, 0.04, -0.04, 0.01])
    assert scattered.startswith("inconclusive (n too small: about ") and scattered.endswith(" seeds would decide)")


def test_a_difference_that_is_real_but_smaller_than_the_margin_is_equivalent():
    a = BASE + 0.002 + np.array([1, -1, 1, -1, 0]) * 1e-4
    assert compare(a, BASE, SETTINGS)["p_value"] < 0.001
    assert verdict(a, BASE) == "equivalent"


def test_runs_that_do_not_scatter_at_all_are_judged_by_their_difference():
    eighths = np.array([0.5, 0.625, 0.75])  # exact in binary, so that the differences are
    assert verdict(eighths, eighths) == "equivalent"
    assert verdict(eighths + 0.125, eighths) == "different"


def test_one_seed_gives_a_difference_but_no_interval_and_no_verdict():
    row = compare(np.array([0.6]), np.array([0.5]), SETTINGS)
    assert row["difference"] == pytest.approx(0.1)
    assert "ci_low" not in row and "p_value" not in row
    assert verdict(np.array([0.6]), np.array([0.5])) == "no verdict: one seed"
    assert verdict(np.array([]), np.array([])) == "no verdict: no seed"


def test_holm_is_the_step_down_procedure():
    # Worked by hand: 0.01 · 4, 0.03 · 2 after 0.02 · 3, and 0.04 · 1, which may not be less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_only_completed_runs_with_the_same_seed_are_paired():
    runs = pd.DataFrame(
        [
            ("e", "vit", b, "tuned", "float32", seed, status, accuracy, 1.0)
            for b, seed, status, accuracy in [
                ("jax", 0, "completed", 0.9),
                ("jax", 1, "completed", 0.8),
                ("torch", 0, "completed", 0.7),
                ("torch", 1, "failed", None),
            ]
        ],
        columns="experiment model backend execution precision seed status test_accuracy test_top5_accuracy".split(),
    )
    (row,) = comparisons(runs, SETTINGS).query("metric == 'test_accuracy'").to_dict("records")
    assert (row["backend_a"], row["backend_b"], row["n"]) == ("jax", "torch", 1)
    assert row["difference"] == pytest.approx(0.2)


SIMULATIONS, SEEDS, DEVIATION = 10_000, 5, 0.008


def simulated(difference: float, pairs: int = 1) -> list[list[dict]]:
    """Families of `pairs` independent comparisons of accuracies whose true difference is `difference`."""
    drawn = np.random.default_rng(2).normal(difference, DEVIATION, (SIMULATIONS, pairs, SEEDS))
    return [judged([compare(d, np.zeros(SEEDS), SETTINGS) for d in family], SETTINGS) for family in drawn]


def share_with(families: list[list[dict]], verdict: str) -> float:
    return np.mean([any(row["verdict"] == verdict for row in family) for family in families])


def binomial_slack(share: float) -> float:
    """Four standard errors of a share counted in the simulations."""
    return 4 * np.sqrt(share * (1 - share) / SIMULATIONS)


def test_equal_backends_are_called_different_at_most_once_in_twenty():
    assert share_with(simulated(0.0), "different") <= 0.05 + binomial_slack(0.05)


def test_in_a_family_of_three_equal_pairs_any_is_called_different_at_most_once_in_twenty():
    assert share_with(simulated(0.0, pairs=3)[: SIMULATIONS // 2], "different") <= 0.05 + 1.5 * binomial_slack(0.05)


def test_backends_that_differ_by_the_margin_are_called_equivalent_at_most_once_in_twenty():
    assert share_with(simulated(MARGIN), "equivalent") <= 0.05 + binomial_slack(0.05)


def test_the_power_of_both_tests_is_as_predicted():
    alpha = 1 - SETTINGS.confidence
    found = simulated(0.02)
    rejected = np.mean([family[0]["p_value"] < alpha for family in found])
    predicted = power_of_difference(SEEDS, 0.02, DEVIATION, alpha)
    assert 0.5 < predicted < 0.99 and abs(rejected - predicted) <= binomial_slack(predicted)
    shown = np.mean([family[0]["p_equivalence"] < alpha for family in simulated(0.0)])
    predicted = power_of_equivalence(SEEDS, 0.0, DEVIATION, alpha, SETTINGS)
    assert 0.3 < predicted < 0.9 and abs(shown - predicted) <= binomial_slack(predicted)


def test_the_seeds_that_would_decide_do_decide():
    needed = seeds_needed(0.006, DEVIATION, 0.05, SETTINGS)
    drawn = np.random.default_rng(3).normal(0.006, DEVIATION, (4000, needed))
    families = [judged([compare(d, np.zeros(needed), SETTINGS)], SETTINGS) for d in drawn]
    assert share_with(families, "inconclusive") < 0.23
    assert seeds_needed(MARGIN, 100 * DEVIATION, 0.05, SETTINGS) is None
