"""Whether backends differ in accuracy: t tests, intervals and verdicts over seeds.

statsmodels takes half a second to import, so the functions that need it import it.
"""

import itertools

import numpy as np
import pandas as pd

from vitbench.analysis.power import MOST_SEEDS, seeds_needed
from vitbench.analysis.speeds import GROUP_KEYS, compare_backend_speeds
from vitbench.config.report import Statistics
from vitbench.results.schema import COLUMNS, CONFIGURATION_KEYS

METRICS = ("test_accuracy", "test_top5_accuracy")


def compare_backends(runs: pd.DataFrame, blocks: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """tables/comparisons: a row per pair of backends and metric, for each model, execution mode and precision.

    runs: tables/runs. blocks: as for `compare_backend_speeds`. Accuracies are paired by seed. The pairs of one metric
    are a family, whose p-values are adjusted together.
    """
    rows = [*_compare_backend_accuracies(runs, settings), *compare_backend_speeds(blocks, settings)]
    return pd.DataFrame(rows, columns=COLUMNS["comparisons"])


def _compare_backend_accuracies(runs: pd.DataFrame, settings: Statistics) -> list[dict]:
    rows = []
    completed = runs[runs["status"] == "completed"]
    for metric in METRICS:
        family = []
        for names, group in completed.groupby(GROUP_KEYS, sort=False):
            by_seed = group.pivot(index="seed", columns="backend", values=metric).astype(float)
            for a, b in itertools.combinations(group["backend"].unique(), 2):
                pair = by_seed[[a, b]].dropna()
                row = dict(zip(GROUP_KEYS, names, strict=True)) | {"metric": metric, "backend_a": a, "backend_b": b}
                family.append(row | compare_paired(pair[a].to_numpy(), pair[b].to_numpy(), settings))
        rows += add_required_seeds(add_verdicts(family, settings), settings)
    return rows


def summarize_accuracies(runs: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """tables/summaries: n, mean, standard deviation and t interval of each configuration's accuracies."""
    rows = []
    completed = runs[runs["status"] == "completed"]
    keys = ["experiment", *CONFIGURATION_KEYS]
    for names, group in completed.groupby(keys, sort=False):
        for metric in METRICS:
            values = group[metric].dropna().to_numpy(float)
            row = dict(zip(keys, names, strict=True)) | {"metric": metric}
            rows.append(row | summarize(values, settings.confidence))
    return pd.DataFrame(rows, columns=COLUMNS["summaries"])


def summarize(values: np.ndarray, confidence: float) -> dict:
    """n, mean, sample standard deviation and t interval of the mean of `values`, float64 (n,).

    One value has only a mean.
    """
    from statsmodels.stats.weightstats import DescrStatsW

    n = len(values)
    row = {"n": n, "mean": values.mean() if n else None}
    if n < 2:
        return row
    low, high = DescrStatsW(values).tconfint_mean(1 - confidence)
    return row | {"sd": values.std(ddof=1), "ci_low": low, "ci_high": high}


def compare_paired(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """The mean of a − b over paired seeds, its interval, a paired t test, and two one-sided tests for equivalence.

    a, b: accuracies 0–1, float64 (n,), of the same seeds in the same order. `p_equivalence` is the larger p-value of
    the one-sided tests of "the difference is at most −margin" and "at least margin" (Schuirmann 1987, J. Pharmacokin.
    Biopharm. 15, 657–680). Fewer than two seeds give no interval and no p-value.
    """
    from statsmodels.stats.weightstats import DescrStatsW

    n, differences = len(a), a - b
    row = {"n": n, "mean_a": a.mean() if n else None, "mean_b": b.mean() if n else None, "test": "paired t"}
    if n < 2:
        return row | {"difference": differences.mean() if n else None, "sd_difference": None}
    deviation = differences.std(ddof=1)
    row |= {"difference": differences.mean(), "sd_difference": deviation}
    if deviation == 0:
        return row | _judge_without_variance(row["difference"], settings)
    sample, margin = DescrStatsW(differences), settings.equivalence_margin
    low, high = sample.tconfint_mean(1 - settings.confidence)
    p_equivalence = sample.ttost_mean(-margin, margin)[0]
    return row | _test_columns(low, high, sample.ttest_mean(0.0)[1], p_equivalence)


def compare_unpaired(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """As `compare_paired`, for accuracies that are not paired: a float64 (n_a,), b (n_b,).

    Uses Welch's t test (1947, Biometrika 34, 28–35), which does not assume equal variances.
    """
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    row = {"n": min(len(a), len(b)), "difference": a.mean() - b.mean()}
    if row["n"] < 2:
        return row
    if a.std() == 0 and b.std() == 0:
        return row | _judge_without_variance(row["difference"], settings)
    samples, margin = CompareMeans(DescrStatsW(a), DescrStatsW(b)), settings.equivalence_margin
    low, high = samples.tconfint_diff(1 - settings.confidence, usevar="unequal")
    p_equivalence = samples.ttost_ind(-margin, margin, usevar="unequal")[0]
    return row | _test_columns(low, high, samples.ttest_ind(usevar="unequal")[1], p_equivalence)


def _judge_without_variance(difference: float, settings: Statistics) -> dict:
    """Without variance the t statistic is not defined, so the difference itself decides."""
    margin = settings.equivalence_margin
    p_value = 1.0 if difference == 0 else 0.0
    p_equivalence = 0.0 if abs(difference) < margin else 0.5 if abs(difference) == margin else 1.0
    return _test_columns(difference, difference, p_value, p_equivalence)


def _test_columns(low: float, high: float, p_value: float, p_equivalence: float) -> dict:
    return {"ci_low": low, "ci_high": high, "p_value": p_value, "p_equivalence": p_equivalence}


def add_verdicts(family: list[dict], settings: Statistics) -> list[dict]:
    """Adds adjusted p-values and a verdict to the rows of a family, in place, and returns the rows.

    The verdict is "equivalent" if the difference is shown to be smaller than the margin, whether or not it is zero,
    "different" if it is shown not to be zero, else "inconclusive". Rows with fewer than two seeds have no verdict.
    """
    alpha = 1 - settings.confidence
    tested = [row for row in family if row["n"] > 1]
    for test in ("p_value", "p_equivalence"):
        for row, p in zip(tested, adjust_p_values([row[test] for row in tested]), strict=True):
            row[f"{test}_adjusted"] = p
    for row in family:
        if row["n"] < 2:
            row["verdict"] = f"no verdict: {'one seed' if row['n'] else 'no seed'}"
        elif row["p_equivalence_adjusted"] < alpha:
            row["verdict"] = "equivalent"
        elif row["p_value_adjusted"] < alpha:
            row["verdict"] = "different"
        else:
            row["verdict"] = "inconclusive"
    return family


def add_required_seeds(family: list[dict], settings: Statistics) -> list[dict]:
    """Adds the number of seeds that would decide to each inconclusive verdict, in place, and returns the rows."""
    alpha = (1 - settings.confidence) / max(1, sum(row["n"] > 1 for row in family))  # the strictest step of Holm's
    for row in family:
        if row["verdict"] == "inconclusive":
            seeds = seeds_needed(row["difference"], row["sd_difference"], alpha, settings)
            advice = f"about {seeds} seeds would decide" if seeds else f"more than {MOST_SEEDS:,} seeds would be needed"
            row["verdict"] = f"inconclusive (n too small: {advice})"
    return family


def adjust_p_values(p_values: list[float]) -> list[float]:
    """p-values after Holm's correction (1979, Scandinavian Journal of Statistics 6, 65–70), in the same order."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1].tolist() if p_values else []
