"""Intervals, tests and verdicts: what the seeds can and cannot tell apart."""

import bisect
import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from vitbench.config.schema import Statistics
from vitbench.results.schema import COLUMNS

METRICS = ("test_accuracy", "test_top5_accuracy")
RESAMPLES = 9_999
POWER = 0.8  # of the experiment that an inconclusive verdict asks for
MOST_SEEDS = 1000
MOST_BLOCKS = 1000
INTEGRATION_POINTS = 400

_CONTESTANT = ["experiment", "model", "execution", "precision"]


def compare_backends(runs: pd.DataFrame, blocks: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """One row per pair of backends and metric, for each model, execution and precision.

    Accuracies are paired by seed; the pairs of one metric are a family, whose p-values are adjusted together. Speeds
    are compared for each batch size by the ratio over timed blocks; `blocks` is described at `ratios`.
    """
    rows = [*_of_accuracies(runs, settings), *compare_backend_speeds(blocks, settings)]
    return pd.DataFrame(rows, columns=COLUMNS["comparisons"])


def _of_accuracies(runs: pd.DataFrame, settings: Statistics) -> list[dict]:
    by, families = _CONTESTANT, []
    completed = runs[runs["status"] == "completed"]
    for metric in METRICS:
        family = []
        for keys, group in completed.groupby(by, sort=False):
            by_seed = group.pivot(index="seed", columns="backend", values=metric).astype(float)
            for a, b in itertools.combinations(group["backend"].unique(), 2):
                pair = by_seed[[a, b]].dropna()
                row = dict(zip(by, keys, strict=True)) | {"metric": metric, "backend_a": a, "backend_b": b}
                family.append(row | compare_paired(pair[a].to_numpy(), pair[b].to_numpy(), settings))
        families += add_required_seeds(add_verdicts(family, settings), settings)
    return families


def compare_backend_speeds(blocks: pd.DataFrame, settings: Statistics) -> list[dict]:
    """How much faster one backend is than another, for each phase and batch size: a row per pair.

    blocks: a row per timed block, with the contestant's keys, phase, batch_size and images_per_second. Blocks follow
    each other in one process, so the interval says nothing of another process, day or machine.
    """
    rows = []
    for keys, group in blocks.groupby([*_CONTESTANT, "phase", "batch_size"], sort=False):
        by_backend = {b: g["images_per_second"].to_numpy(float) for b, g in group.groupby("backend", sort=False)}
        *contestant, phase, batch_size = keys
        for a, b in itertools.combinations(by_backend, 2):
            row = dict(zip(_CONTESTANT, contestant, strict=True)) | {"metric": f"{phase}_images_per_second"}
            row |= {"batch_size": batch_size, "backend_a": a, "backend_b": b}
            rows.append(row | compare_block_speeds(by_backend[a], by_backend[b], settings))
    return rows


def compare_block_speeds(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """The ratio of the median speeds of blocks, (n,) each, with a bootstrap interval, and a verdict from that.

    equivalent: the interval lies within a factor of 1 + speed_margin. different: it does not hold 1.
    """
    n, margin = min(len(a), len(b)), np.log1p(settings.speed_margin)
    row = {"n": n, "mean_a": a.mean(), "mean_b": b.mean(), "ratio": np.median(a) / np.median(b)}
    row["test"] = "bootstrap over blocks"
    if n < 2:
        return row | {"verdict": "no verdict: one block"}
    low, high = speed_interval(a, b, settings.confidence)
    row |= {"ratio_ci_low": np.exp(low), "ratio_ci_high": np.exp(high)}
    if -margin < low and high < margin:
        return row | {"verdict": "equivalent"}
    if low > 0 or high < 0:
        return row | {"verdict": "different"}
    distance = abs(np.log(row["ratio"]))
    enough = n * ((high - low) / 2 / max(distance, margin - distance)) ** 2  # widths fall with the root of n
    about = f"about {max(n + 1, np.ceil(enough)):.0f} blocks would decide"
    if enough > MOST_BLOCKS:
        about = f"more than {MOST_BLOCKS} blocks would be needed"
    return row | {"verdict": f"inconclusive (n too small: {about})"}


def speed_interval(a: np.ndarray, b: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the logarithm of median(a) ÷ median(b); blocks lie along the last axis.

    Percentiles of the bootstrap distribution (Efron 1979, The Annals of Statistics 7, 1–26). Of medians they cover what
    they say for five blocks and more; of means they would cover 0.87 instead of 0.95, and 0.79 for three.
    """
    return _bootstrap((a, b), lambda a, b, axis: np.log(np.median(a, axis) / np.median(b, axis)), confidence)


def median_interval(speeds: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    """Of the median over blocks, (n,), as `speed_interval`; none for fewer than two."""
    return _bootstrap((speeds,), np.median, confidence) if len(speeds) > 1 else (None, None)


def _bootstrap(samples: tuple[np.ndarray, ...], statistic: Callable, confidence: float) -> tuple:
    found = stats.bootstrap(
        samples,
        statistic,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method="percentile",
        axis=-1,
        rng=np.random.default_rng(0),
    )
    return found.confidence_interval.low, found.confidence_interval.high


def summarize_accuracies(runs: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """n, mean, standard deviation and t interval of each contestant's accuracies over its completed runs."""
    rows = []
    completed = runs[runs["status"] == "completed"]
    by = ["experiment", "model", "backend", "execution", "precision"]
    for keys, group in completed.groupby(by, sort=False):
        for metric in METRICS:
            values = group[metric].dropna().to_numpy(float)
            rows.append(dict(zip(by, keys, strict=True)) | {"metric": metric} | summarize(values, settings.confidence))
    return pd.DataFrame(rows, columns=COLUMNS["summaries"])


def summarize(values: np.ndarray, confidence: float) -> dict:
    """Of values (n,): n, mean, sample standard deviation and the mean's interval, which fewer than two do not have."""
    n = len(values)
    row = {"n": n, "mean": values.mean() if n else None}
    if n < 2:
        return row
    deviation = values.std(ddof=1)
    reach = stats.t.ppf((1 + confidence) / 2, n - 1) * deviation / np.sqrt(n)
    return row | {"sd": deviation, "ci_low": values.mean() - reach, "ci_high": values.mean() + reach}


def compare_paired(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """The mean of a − b over paired seeds, its interval, a paired t test, and two one-sided tests for equivalence.

    a, b: float64 (n,), accuracies 0–1 of the same seeds in the same order. `p_equivalence` is the larger p-value of the
    one-sided tests of "the difference is −margin or less" and "margin or more" (Schuirmann 1987). No seed or one gives
    no interval and no p-value.
    """
    n, d = len(a), a - b
    row = {"n": n, "mean_a": a.mean() if n else None, "mean_b": b.mean() if n else None, "test": "paired t"}
    if n < 2:
        return row | {"difference": d.mean() if n else None, "sd_difference": None}
    deviation = d.std(ddof=1)
    return row | {"sd_difference": deviation} | _tested(d.mean(), deviation / np.sqrt(n), n - 1, settings)


def compare_unpaired(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """As `compare`, for runs that have nothing in common: a float64 (n_a,), b (n_b,).

    By Welch's test (Welch 1947, Biometrika 34, 28–35), which does not take the variances for equal.
    """
    row = {"n": min(len(a), len(b)), "difference": a.mean() - b.mean()}
    if row["n"] < 2:
        return row
    variances = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    error = np.sqrt(variances.sum())
    least = row["n"] - 1
    degrees = variances.sum() ** 2 / (variances**2 / (len(a) - 1, len(b) - 1)).sum() if error > 0 else least
    return row | _tested(row["difference"], error, degrees, settings)


def _tested(difference: float, error: float, degrees: float, settings: Statistics) -> dict:
    """Interval and p-values of a difference of means with a standard error and its degrees of freedom."""
    margin = settings.equivalence_margin
    reach = stats.t.ppf((1 + settings.confidence) / 2, degrees) * error
    return {
        **{"difference": difference, "ci_low": difference - reach, "ci_high": difference + reach},
        "p_value": min(1.0, 2 * _upper_tail(abs(difference), error, degrees)),
        "p_equivalence": max(_upper_tail(margin + d, error, degrees) for d in (difference, -difference)),
    }


def add_verdicts(family: list[dict], settings: Statistics) -> list[dict]:
    """The rows with p-values adjusted by Holm (1979, Scandinavian Journal of Statistics 6, 65–70) and a verdict each.

    equivalent: the difference is shown to be smaller than the margin, whether or not it is zero. different: it is shown
    not to be zero.
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
    """The rows, an inconclusive verdict with the number of seeds that would decide."""
    alpha = (1 - settings.confidence) / max(1, sum(row["n"] > 1 for row in family))  # Holm's first and hardest step
    for row in family:
        if row["verdict"] == "inconclusive":
            seeds = seeds_needed(row["difference"], row["sd_difference"], alpha, settings)
            about = f"about {seeds} seeds would decide" if seeds else f"more than {MOST_SEEDS} seeds would be needed"
            row["verdict"] = f"inconclusive (n too small: {about})"
    return family


def adjust_p_values(p_values: list[float]) -> list[float]:
    """Each p-value times the number of those not smaller, but never less than that of a smaller one, and at most 1."""
    order = np.argsort(p_values)
    factors = np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p_values, float)[order] * factors))
    return adjusted.tolist()


def seeds_needed(difference: float, deviation: float, alpha: float, settings: Statistics) -> int | None:
    """The least number of seeds at which either test would decide with a power of 0.8, if the truth were as measured.

    None if it is more than 1 000.
    """

    def decides(n: int) -> bool:
        by_difference = power_of_difference(n, difference, deviation, alpha)
        return max(by_difference, power_of_equivalence(n, difference, deviation, alpha, settings)) >= POWER

    candidates = range(2, MOST_SEEDS + 1)  # the more seeds, the more power
    found = bisect.bisect_left(candidates, True, key=decides)
    return candidates[found] if found < len(candidates) else None


def power_of_difference(n: int, difference: float, deviation: float, alpha: float) -> float:
    """Of the paired t test with n pairs (Cohen 1988, section 2.3): 1 - P(|T| < t) of the noncentral t distribution.

    As the mean over the distribution of the standard deviation that is found, since SciPy's noncentral t is NaN for
    ordinary arguments.
    """
    error, found = _errors(n, deviation)
    far = stats.t.ppf(1 - alpha / 2, n - 1) * found
    return float(np.mean(stats.norm.cdf((difference - far) / error) + stats.norm.cdf((-difference - far) / error)))


def power_of_equivalence(n: int, difference: float, deviation: float, alpha: float, settings: Statistics) -> float:
    """Of the two one-sided tests with n pairs (Phillips 1990, J. Pharmacokin. Biopharm. 18, 137–144).

    The mean over the distribution of the standard deviation that is found, of the probability that the mean lies far
    enough within the margin for it.
    """
    error, found = _errors(n, deviation)
    room = np.maximum(0, settings.equivalence_margin - stats.t.ppf(1 - alpha, n - 1) * found)
    return float(np.mean(stats.norm.cdf((room - difference) / error) - stats.norm.cdf((-room - difference) / error)))


def _errors(n: int, deviation: float) -> tuple[float, np.ndarray]:
    """The standard error of the mean of n, and those that samples of n find: as many, all equally likely."""
    share = (np.arange(INTEGRATION_POINTS) + 0.5) / INTEGRATION_POINTS
    error = deviation / np.sqrt(n)
    return error, error * np.sqrt(stats.chi2.ppf(share, n - 1) / (n - 1))


def _upper_tail(distance: float, error: float, degrees: float) -> float:
    """P(T ≥ distance ÷ error) for Student's t with so many degrees of freedom; 0, ½ or 1 where nothing scatters."""
    if error > 0:
        return float(stats.t.sf(distance / error, degrees))
    return 0.5 - 0.5 * np.sign(distance)
