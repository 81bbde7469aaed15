"""Tests, intervals and verdicts about a difference, for accuracies over seeds and for log speeds over rounds.

statsmodels takes half a second to import, so the functions that need it import it.
"""

import numpy as np

from vitbench.analysis.power import LARGEST_SIZE, needed_size
from vitbench.analysis.sampling import SampledMean


def examine_pairs(differences: np.ndarray, margin: float, confidence: float) -> dict:
    """Mean and deviation of paired differences, float64 (n,), a t test, and two one-sided tests for equivalence.

    `p_equivalence` is the larger p-value of the one-sided tests of "the difference is at most −margin" and "at least
    margin" (Schuirmann 1987, J. Pharmacokin. Biopharm. 15, 657–680). Fewer than two differences have no interval and no
    p-value.
    """
    from statsmodels.stats.weightstats import DescrStatsW

    n = len(differences)
    if n < 2:
        return {"n": n, "difference": differences.mean() if n else None, "sd_difference": None}
    deviation = differences.std(ddof=1)
    row = {"n": n, "difference": differences.mean(), "sd_difference": deviation}
    if deviation == 0:
        return row | _judge_without_variance(row["difference"], margin)
    sample = DescrStatsW(differences)
    low, high = sample.tconfint_mean(1 - confidence)
    p_equivalence = sample.ttost_mean(-margin, margin)[0]
    return row | _test_columns(low, high, sample.ttest_mean(0.0)[1], p_equivalence)


def examine_sampled_mean(sample: SampledMean, n: int, margin: float, confidence: float) -> dict:
    """As `examine_pairs`, for a difference whose error has two sources. n: seeds or rounds."""
    row = {"n": n, "difference": sample.mean}
    return row | _test_columns(*sample.interval(confidence), sample.p_value(), sample.p_equivalence(margin))


def examine_samples(a: np.ndarray, b: np.ndarray, margin: float, confidence: float) -> dict:
    """As `examine_pairs`, for mean(a) − mean(b) of values that are not paired: a float64 (n_a,), b (n_b,).

    Uses Welch's t test (1947, Biometrika 34, 28–35), which does not assume equal variances.
    """
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    row = {"n": min(len(a), len(b)), "difference": a.mean() - b.mean()}
    if row["n"] < 2:
        return row
    if a.std() == 0 and b.std() == 0:
        return row | _judge_without_variance(row["difference"], margin)
    samples = CompareMeans(DescrStatsW(a), DescrStatsW(b))
    low, high = samples.tconfint_diff(1 - confidence, usevar="unequal")
    p_equivalence = samples.ttost_ind(-margin, margin, usevar="unequal")[0]
    return row | _test_columns(low, high, samples.ttest_ind(usevar="unequal")[1], p_equivalence)


def _judge_without_variance(difference: float, margin: float) -> dict:
    """Without variance the t statistic is not defined, so the difference itself decides."""
    p_value = 1.0 if difference == 0 else 0.0
    p_equivalence = 0.0 if abs(difference) < margin else 0.5 if abs(difference) == margin else 1.0
    return _test_columns(difference, difference, p_value, p_equivalence)


def _test_columns(low: float, high: float, p_value: float, p_equivalence: float) -> dict:
    return {"ci_low": low, "ci_high": high, "p_value": p_value, "p_equivalence": p_equivalence}


def add_verdicts(family: list[dict], confidence: float, unit: str, at_least: int = 2) -> list[dict]:
    """Adds adjusted p-values and a verdict to the rows of a family, in place, and returns the rows.

    The verdict is "equivalent" if the difference is shown to be smaller than the margin, whether or not it is zero,
    "different" if it is shown not to be zero, else "inconclusive". Rows with fewer than `at_least` values have no
    verdict. unit: of a value, in the singular.
    """
    alpha = 1 - confidence
    tested = [row for row in family if row["n"] >= at_least]
    for test in ("p_value", "p_equivalence"):
        for row, p in zip(tested, adjust_p_values([row[test] for row in tested]), strict=True):
            row[f"{test}_adjusted"] = p
    for row in family:
        if row["n"] < at_least:
            count = {0: f"no {unit}", 1: f"one {unit}"}.get(row["n"], f"{row['n']} {unit}s")
            row["verdict"] = f"no verdict: {count}"
        elif row["p_equivalence_adjusted"] < alpha:
            row["verdict"] = "equivalent"
        elif row["p_value_adjusted"] < alpha:
            row["verdict"] = "different"
        else:
            row["verdict"] = "inconclusive"
    return family


def add_needed_sizes(family: list[dict], confidence: float, unit: str, margin: float) -> list[dict]:
    """Adds the number of values that would decide to each inconclusive verdict, in place, and returns the rows.

    `image_error` of a row, if there is one, is a part of the standard error that further values do not reduce.
    """
    tested = sum("p_value_adjusted" in row for row in family)
    alpha = (1 - confidence) / max(1, tested)  # the strictest step of Holm's
    for row in family:
        if row["verdict"] != "inconclusive":
            continue
        case = (row["difference"], row["sd_difference"], alpha, margin)
        if size := needed_size(*case, row.get("image_error", 0.0)):
            advice = f"n too small: about {size} {unit}s would decide"
        elif needed_size(*case):
            advice = f"too few test images: more {unit}s would not decide"
        else:
            advice = f"n too small: more than {LARGEST_SIZE:,} {unit}s would be needed"
        row["verdict"] = f"inconclusive ({advice})"
    return family


def adjust_p_values(p_values: list[float]) -> list[float]:
    """p-values after Holm's correction (1979, Scandinavian Journal of Statistics 6, 65–70), in the same order."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1].tolist() if p_values else []
