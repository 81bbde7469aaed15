import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vitbench.config import Statistics
from vitbench.statistics import compare, comparisons

SETTINGS = Statistics()


def test_the_interval_and_p_value_are_those_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.60, 0.01, 6), rng.normal(0.55, 0.01, 6)
    row, reference = compare(a, b, SETTINGS), stats.ttest_rel(a, b)
    assert row["p_value"] == pytest.approx(reference.pvalue)
    low, high = reference.confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert row["verdict"] == "different"


def test_close_runs_are_equivalent_and_scattered_ones_inconclusive():
    base = np.array([0.50, 0.52, 0.51, 0.53, 0.49])
    assert compare(base, base + [0.001, -0.001, 0.002, -0.002, 0.0], SETTINGS)["verdict"] == "equivalent"
    assert compare(base, base + [0.05, -0.05, 0.04, -0.04, 0.01], SETTINGS)["verdict"] == "inconclusive"


def test_one_seed_gives_a_difference_but_no_interval_and_no_verdict():
    row = compare(np.array([0.6]), np.array([0.5]), SETTINGS)
    assert row["difference"] == pytest.approx(0.1)
    assert row["verdict"] == "no verdict: one seed"
    assert "ci_low" not in row and "p_value" not in row


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
