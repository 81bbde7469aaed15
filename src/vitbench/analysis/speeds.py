"""How much faster one backend is than another: ratios of block speeds, their intervals and verdicts."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from vitbench.config.report import Statistics

RESAMPLES = 9_999
MOST_BLOCKS = 1000
GROUP_KEYS = ["experiment", "model", "execution", "precision"]


def compare_backend_speeds(blocks: pd.DataFrame, settings: Statistics) -> list[dict]:
    """A row of tables/comparisons per pair of backends, phase and batch size, for each model, mode and precision.

    blocks: a row per timed block with the key columns, phase, batch_size and images_per_second. The blocks of a
    measurement follow each other in one process, so the intervals do not cover the variation between processes, days or
    machines.
    """
    rows = []
    for keys, group in blocks.groupby([*GROUP_KEYS, "phase", "batch_size"], sort=False):
        *names, phase, batch_size = keys
        speeds = group.groupby("backend", sort=False)["images_per_second"]
        speeds = {backend: values.to_numpy(float) for backend, values in speeds}
        for a, b in itertools.combinations(speeds, 2):
            row = dict(zip(GROUP_KEYS, names, strict=True))
            row |= {"metric": f"{phase}_images_per_second", "batch_size": batch_size, "backend_a": a, "backend_b": b}
            rows.append(row | compare_block_speeds(speeds[a], speeds[b], settings))
    return rows


def compare_block_speeds(a: np.ndarray, b: np.ndarray, settings: Statistics) -> dict:
    """The ratio median(a) ÷ median(b) with its bootstrap interval and a verdict.

    a, b: images/s of timed blocks, float64 (n_a,) and (n_b,). The verdict is "equivalent" if the interval lies within a
    factor of 1 + speed_margin, "different" if it does not contain 1, else "inconclusive" with the number of blocks that
    would decide. A single block has no interval and no verdict.
    """
    n = min(len(a), len(b))
    row = {"n": n, "mean_a": a.mean(), "mean_b": b.mean(), "ratio": np.median(a) / np.median(b)}
    row["test"] = "bootstrap over blocks"
    if n < 2:
        return row | {"verdict": "no verdict: one block"}
    low, high = speed_interval(a, b, settings.confidence)
    row |= {"ratio_ci_low": np.exp(low), "ratio_ci_high": np.exp(high)}
    margin = np.log1p(settings.speed_margin)
    if -margin < low and high < margin:
        return row | {"verdict": "equivalent"}
    if low > 0 or high < 0:
        return row | {"verdict": "different"}
    advice = _advise_on_blocks(n, np.log(row["ratio"]), float(high - low) / 2, margin)
    return row | {"verdict": f"inconclusive (n too small: {advice})"}


def _advise_on_blocks(n: int, log_ratio: float, half_width: float, margin: float) -> str:
    """How many blocks would make the interval narrow enough for a verdict, if the ratio stays as it is.

    half_width, margin: of the interval and for equivalence, in units of the logarithm of the ratio. The interval has to
    exclude either 1 or the margin; its width falls with the square root of the number of blocks.
    """
    distance = abs(log_ratio)
    needed = n * (half_width / max(distance, margin - distance)) ** 2
    if needed > MOST_BLOCKS:
        return f"more than {MOST_BLOCKS:,} blocks would be needed"
    return f"about {max(n + 1, np.ceil(needed)):.0f} blocks would decide"


def speed_interval(a: np.ndarray, b: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """The bootstrap interval of log(median(a) ÷ median(b)); blocks are along the last axis.

    Percentiles of the bootstrap distribution (Efron 1979, The Annals of Statistics 7, 1–26). Intervals of medians reach
    their nominal coverage with five blocks or more. Intervals of means would cover 0.87 instead of 0.95 with five
    blocks, and 0.79 with three.
    """
    return _bootstrap((a, b), lambda a, b, axis: np.log(np.median(a, axis) / np.median(b, axis)), confidence)


def median_interval(speeds: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    """The bootstrap interval of the median over blocks, float64 (n,); (None, None) for fewer than two."""
    return _bootstrap((speeds,), np.median, confidence) if len(speeds) > 1 else (None, None)


def _bootstrap(samples: tuple[np.ndarray, ...], statistic: Callable, confidence: float) -> tuple:
    result = stats.bootstrap(
        samples,
        statistic,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method="percentile",
        axis=-1,
        rng=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high
