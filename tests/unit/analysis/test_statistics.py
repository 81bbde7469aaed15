"""The tests on accuracies agree with SciPy's and are wrong no more often than their level allows."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vitbench.analysis.power import needed_size, power_of_difference, power_of_equivalence
from vitbench.analysis.statistics import (
    compare_backends,
    compare_paired,
    compare_unpaired,
    summarize,
    summarize_accuracies,
)
from vitbench.analysis.verdicts import add_needed_sizes, add_verdicts, adjust_p_values
from vitbench.config.report import Statistics
from vitbench.results.schema import COLUMNS, RUN_COLUMNS
from vitbench.results.tables import as_table

SETTINGS = Statistics()
MARGIN = SETTINGS.equivalence_margin
NO_RUNS = pd.DataFrame(columns=RUN_COLUMNS)
NO_ROUNDS = pd.DataFrame(columns=COLUMNS["rounds"])
ACCURACIES = np.array([0.50, 0.52, 0.51, 0.53, 0.49])
SIMULATIONS, SEEDS, DEVIATION = 10_000, 5, 0.008


def verdict(a: np.ndarray, b: np.ndarray) -> str:
    (row,) = add_needed_sizes(judge([compare_paired(a, b, SETTINGS)]), SETTINGS.confidence, "seed", MARGIN)
    return row["verdict"]


def judge(family: list[dict]) -> list[dict]:
    return add_verdicts(family, SETTINGS.confidence, "seed")


@cache
def simulate(difference: float, pairs: int = 1) -> list[list[dict]]:
    """Families of `pairs` independent comparisons of accuracies whose true difference is `difference`."""
    drawn = np.random.default_rng(2).normal(difference, DEVIATION, (SIMULATIONS, pairs, SEEDS))
    return [judge([compare_paired(d, np.zeros(SEEDS), SETTINGS) for d in family]) for family in drawn]


def share_with(families: list[list[dict]], verdict: str) -> float:
    return np.mean([any(row["verdict"] == verdict for row in family) for family in families])


def binomial_slack(share: float) -> float:
    """Four standard errors of a share counted in the simulations."""
    return 4 * np.sqrt(share * (1 - share) / SIMULATIONS)


def test_the_interval_and_p_value_are_those_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.60, 0.01, 6), rng.normal(0.55, 0.01, 6)
    row, reference = compare_paired(a, b, SETTINGS), stats.ttest_rel(a, b)
    assert row["p_value"] == pytest.approx(reference.pvalue)
    low, high = reference.confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert verdict(a, b) == "different"


def test_equivalence_is_two_one_sided_tests_against_the_margin():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.60, 0.004, 8), rng.normal(0.60, 0.004, 8)
    above = stats.ttest_1samp(a - b, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(a - b, MARGIN, alternative="less").pvalue
    assert compare_paired(a, b, SETTINGS)["p_equivalence"] == pytest.approx(max(above, below))


def test_close_accuracies_are_equivalent_and_scattered_ones_inconclusive():
    assert verdict(ACCURACIES, ACCURACIES + [0.001, -0.001, 0.002, -0.002, 0.0]) == "equivalent"
    scattered = verdict(ACCURACIES, ACCURACIES + [0.05, -0.05, 0.04, -0.04, 0.01])
    assert scattered.startswith("inconclusive (n too small: about ") and scattered.endswith(" seeds would decide)")


def test_a_significant_difference_below_the_margin_is_equivalent():
    a = ACCURACIES + 0.002 + np.array([1, -1, 1, -1, 0]) * 1e-4
    assert compare_paired(a, ACCURACIES, SETTINGS)["p_value"] < 0.001
    assert verdict(a, ACCURACIES) == "equivalent"


def test_without_variance_the_difference_decides():
    eighths = np.array([0.5, 0.625, 0.75])  # exact in binary, so that their differences are
    assert verdict(eighths, eighths) == "equivalent"
    assert verdict(eighths + 0.125, eighths) == "different"
    assert verdict(eighths[:2] + 0.125, eighths[:2]) == "different"
    constant = np.full(2, 0.5)
    (row,) = judge([compare_unpaired(constant + 0.125, constant, SETTINGS)])
    assert (row["ci_low"], row["ci_high"], row["verdict"]) == (0.125, 0.125, "different")


def test_one_seed_gives_a_difference_but_no_interval_and_no_verdict():
    row = compare_paired(np.array([0.6]), np.array([0.5]), SETTINGS)
    assert row["difference"] == pytest.approx(0.1)
    assert "ci_low" not in row and "p_value" not in row
    assert verdict(np.array([0.6]), np.array([0.5])) == "no verdict: one seed"
    assert verdict(np.array([]), np.array([])) == "no verdict: no seed"


@pytest.mark.parametrize("sizes", [(5, 5), (3, 8)])
def test_unpaired_accuracies_are_compared_by_welchs_test(sizes):
    random = np.random.default_rng(0)
    a, b = random.normal(0.9, 0.02, sizes[0]), random.normal(0.88, 0.05, sizes[1])
    row, expected = compare_unpaired(a, b, SETTINGS), stats.ttest_ind(a, b, equal_var=False)
    assert row["p_value"] == pytest.approx(expected.pvalue)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    above = stats.ttest_ind(a + MARGIN, b, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind(a - MARGIN, b, equal_var=False, alternative="less").pvalue
    assert row["p_equivalence"] == pytest.approx(max(above, below))


def test_one_unpaired_accuracy_is_not_tested():
    row = compare_unpaired(np.array([0.9]), np.array([0.8, 0.7]), SETTINGS)
    assert row["n"] == 1 and "p_value" not in row


def test_holms_correction_is_the_step_down_procedure():
    # Worked by hand: 0.01 · 4, 0.03 · 2 after 0.02 · 3, and 0.04 · 1, which may not be less than the one before.
    assert adjust_p_values([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert adjust_p_values([0.9, 0.8]) == [1.0, 1.0] and adjust_p_values([]) == []


def test_only_completed_runs_with_the_same_seed_are_paired():
    runs = pd.DataFrame(
        [
            ("e", "vit", backend, "tuned", "float32", seed, status, accuracy, 1.0)
            for backend, seed, status, accuracy in [
                ("jax", 0, "completed", 0.9),
                ("jax", 1, "completed", 0.8),
                ("torch", 0, "completed", 0.7),
                ("torch", 1, "failed", None),
            ]
        ],
        columns="experiment model backend execution precision seed status test_accuracy test_top5_accuracy".split(),
    )
    (row,) = compare_backends(runs, NO_ROUNDS, SETTINGS).query("metric == 'test_accuracy'").to_dict("records")
    assert (row["backend_a"], row["backend_b"], row["n"]) == ("jax", "torch", 1)
    assert row["difference"] == pytest.approx(0.2)
    summaries = summarize_accuracies(runs, SETTINGS).query("metric == 'test_accuracy'")
    assert summaries.set_index("backend")["n"].to_dict() == {"jax": 2, "torch": 1}


def make_runs(seeds: dict[str, list[int]]) -> pd.DataFrame:
    """Completed runs of each backend; every accuracy is 0.5."""
    keys = {"experiment": "e", "model": "vit", "execution": "tuned", "precision": "float32", "status": "completed"}
    keys |= {"test_accuracy": 0.5, "test_top5_accuracy": 0.5}
    return pd.DataFrame([keys | {"backend": name, "seed": seed} for name, values in seeds.items() for seed in values])


def make_hits(runs: pd.DataFrame, images: int) -> dict:
    """Half of the images of each run are correct, a random half."""
    random = np.random.default_rng(4)
    half = np.repeat([True, False], images // 2)
    keys = runs[["model", "backend", "execution", "precision", "seed"]].itertuples(index=False, name=None)
    return {key: dict.fromkeys(("test_accuracy", "test_top5_accuracy"), random.permutation(half)) for key in keys}


def test_the_interval_of_a_difference_includes_the_error_of_the_test_images():
    runs = make_runs({"jax": [0, 1], "torch": [0, 1]})
    (without, _), (row, _) = (
        compare_backends(runs, NO_ROUNDS, SETTINGS, hits).to_dict("records") for hits in (None, make_hits(runs, 1000))
    )
    assert (without["ci_low"], without["ci_high"], without["verdict"]) == (0, 0, "equivalent")
    assert without["test"] == "paired t over seeds"
    assert row["test"] == "paired t over seeds and test images" and row["difference"] == 0
    assert -0.06 < row["ci_low"] < -0.02 and row["ci_high"] == pytest.approx(-row["ci_low"])
    assert row["verdict"] == "inconclusive (too few test images: more seeds would not decide)"


def test_the_interval_of_a_mean_includes_the_error_of_the_test_images():
    runs = make_runs({"jax": [0, 1, 2]})
    row = summarize_accuracies(runs, SETTINGS, make_hits(runs, 1000)).to_dict("records")[0]
    assert (row["mean"], row["sd"]) == (0.5, 0) and 0.46 < row["ci_low"] < 0.49


def test_without_the_predictions_of_every_seed_the_seeds_alone_are_compared():
    runs = make_runs({"jax": [0, 1], "torch": [0, 1]})
    hits = make_hits(runs, 100)
    del hits["vit", "torch", "tuned", "float32", 1]
    assert set(compare_backends(runs, NO_ROUNDS, SETTINGS, hits)["test"]) == {"paired t over seeds"}


def test_only_speeds_of_the_same_phase_and_batch_size_are_compared():
    speeds = [
        ("jax", "train", 64, 100),
        ("torch", "train", 64, 50),
        ("torch", "train", 128, 60),
        ("jax", "infer", 64, 400),
        ("torch", "infer", 64, 100),
    ]
    keys = {"experiment": "e", "model": "vit", "execution": "tuned", "precision": "float32"}
    keys |= {"status": "completed", "control": False, "device": "A CPU"}
    rounds = [
        keys | {"backend": backend, "phase": phase, "batch_size": size, "round": i, "images_per_second": speed + i}
        for backend, phase, size, speed in speeds
        for i in range(3)
    ]
    comparisons = compare_backends(NO_RUNS, as_table("rounds", rounds), SETTINGS)
    ratios = {(row.metric, row.batch_size): row.ratio for row in comparisons.itertuples()}
    assert ratios == pytest.approx(
        {("train_images_per_second", 64): 2.0, ("infer_images_per_second", 64): 4.0}, rel=0.02
    )


def test_equal_backends_are_called_different_at_most_once_in_twenty():
    assert share_with(simulate(0.0), "different") <= 0.05 + binomial_slack(0.05)


def test_in_a_family_of_three_equal_pairs_any_is_called_different_at_most_once_in_twenty():
    assert share_with(simulate(0.0, pairs=3)[: SIMULATIONS // 2], "different") <= 0.05 + 1.5 * binomial_slack(0.05)


def test_backends_that_differ_by_the_margin_are_called_equivalent_at_most_once_in_twenty():
    assert share_with(simulate(MARGIN), "equivalent") <= 0.05 + binomial_slack(0.05)


def test_the_power_of_both_tests_is_as_predicted():
    alpha = 1 - SETTINGS.confidence
    rejected = np.mean([family[0]["p_value"] < alpha for family in simulate(0.02)])
    predicted = power_of_difference(SEEDS, 0.02, DEVIATION, alpha)
    assert 0.5 < predicted < 0.99 and abs(rejected - predicted) <= binomial_slack(predicted)
    shown = np.mean([family[0]["p_equivalence"] < alpha for family in simulate(0.0)])
    predicted = power_of_equivalence(SEEDS, 0.0, DEVIATION, alpha, SETTINGS.equivalence_margin)
    assert 0.3 < predicted < 0.9 and abs(shown - predicted) <= binomial_slack(predicted)


def test_the_recommended_number_of_seeds_decides():
    needed = needed_size(0.006, DEVIATION, 0.05, SETTINGS.equivalence_margin)
    drawn = np.random.default_rng(3).normal(0.006, DEVIATION, (4000, needed))
    families = [judge([compare_paired(d, np.zeros(needed), SETTINGS)]) for d in drawn]
    assert share_with(families, "inconclusive") < 0.23
    assert needed_size(MARGIN, 100 * DEVIATION, 0.05, SETTINGS.equivalence_margin) is None


def test_a_summary_has_the_t_interval_of_the_mean():
    row = summarize(ACCURACIES, 0.95)
    low, high = stats.ttest_1samp(ACCURACIES, 0).confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert (row["n"], row["mean"], row["sd"]) == pytest.approx((5, ACCURACIES.mean(), stats.tstd(ACCURACIES)))
    assert summarize(ACCURACIES[:1], 0.95) == {"n": 1, "mean": 0.5}
    assert summarize(ACCURACIES[:0], 0.95) == {"n": 0, "mean": None}
