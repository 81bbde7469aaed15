"""Whether backends differ in accuracy: means, intervals, tests and verdicts over seeds."""

import itertools

import numpy as np
import pandas as pd

from vitbench.analysis.speeds import GROUP_KEYS, compare_backend_speeds
from vitbench.analysis.verdicts import add_needed_sizes, add_verdicts, examine_pairs, examine_samples
from vitbench.config.report import Statistics
from vitbench.results.schema import COLUMNS, CONFIGURATION_KEYS

METRICS = ("test_accuracy", "test_top5_accuracy")


def compare_backends(runs: pd.DataFrame, rounds: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """tables/comparisons: a row per pair of backends and metric, for each model, execution mode and precision.

    runs, rounds: the tables. Accuracies are paired by seed, and speeds by round. The pairs of one metric are a family,
    whose p-values are adjusted together.
    """
    rows = [*_compare_backend_accuracies(runs, settings), *compare_backend_speeds(rounds, settings)]
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
        add_verdicts(family, settings.confidence, "seed")
        rows += add_needed_sizes(family, settings.confidence, "seed", settings.equivalence_margin)
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
    """The mean of a − b over paired seeds, with its tests; see `examine_pairs`.

    a, b: accuracies 0–1, float64 (n,), of the same seeds in the same order.
    """
    means = {"mean_a": a.mean() if len(a) else None, "mean_b": b.mean() if len(b) else None, "test": "paired t"}
    return means | examine_pairs(a - b, settings.equivalence_margin, settings.confidence)


def compare_unpaired(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """As `compare_paired`, for accuracies that are not paired: a float64 (n_a,), b (n_b,)."""
    return examine_samples(a, b, settings.equivalence_margin, settings.confidence)
