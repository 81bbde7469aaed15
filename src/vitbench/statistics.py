"""Intervals, tests and verdicts: what the seeds can and cannot tell apart."""

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from vitbench.config import Statistics
from vitbench.records import COLUMNS

METRICS = ("test_accuracy", "test_top5_accuracy")


def comparisons(runs: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """One row per pair of backends and metric, for each model, execution and precision; paired by seed."""
    rows = []
    completed = runs[runs["status"] == "completed"]
    by = ["experiment", "model", "execution", "precision"]
    for keys, group in completed.groupby(by, sort=False):
        for metric in METRICS:
            by_seed = group.pivot(index="seed", columns="backend", values=metric).astype(float)
            for a, b in itertools.combinations(group["backend"].unique(), 2):
                pair = by_seed[[a, b]].dropna()
                row = dict(zip(by, keys, strict=True)) | {"metric": metric, "backend_a": a, "backend_b": b}
                rows.append(row | compare(pair[a].to_numpy(), pair[b].to_numpy(), settings))
    return pd.DataFrame(rows, columns=COLUMNS["comparisons"])


def compare(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """The mean of a − b over paired seeds, its interval, a paired t test, and a verdict in words.

    a, b: float64 (n,), accuracies 0–1 of the same seeds in the same order. `equivalent` is the interval lying inside
    ± margin at 1 − 2α, that is, two one-sided tests (Schuirmann 1987).
    """
    n, d = len(a), a - b
    row = {"n": n, "mean_a": a.mean() if n else None, "mean_b": b.mean() if n else None, "test": "paired t"}
    if n < 2:
        return row | {"difference": d.mean() if n else None, "verdict": f"no verdict: {'one seed' if n else 'no seed'}"}
    alpha, margin = 1 - settings.confidence, settings.equivalence_margin
    error = d.std(ddof=1) / np.sqrt(n)
    low, high = d.mean() + np.array([-1, 1]) * stats.t.ppf(1 - alpha / 2, n - 1) * error
    if error > 0:
        p_value = float(2 * stats.t.sf(abs(d.mean()) / error, n - 1))
    else:
        p_value = 1.0 if d.mean() == 0 else 0.0
    reach = abs(d.mean()) + stats.t.ppf(1 - alpha, n - 1) * error
    if p_value < alpha and abs(d.mean()) >= margin:
        verdict = "different"
    elif reach < margin:
        verdict = "equivalent"
    else:
        verdict = "inconclusive"
    measured = {"difference": d.mean(), "ci_low": low, "ci_high": high, "p_value": p_value}
    return row | measured | {"verdict": verdict}
