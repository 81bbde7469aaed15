"""Whether backends differ in accuracy: means, intervals, tests and verdicts over seeds."""

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd

from vitbench.analysis.load import Hits
from vitbench.analysis.sampling import SampledMean, sample_mean
from vitbench.analysis.speeds import GROUP_KEYS, compare_backend_speeds
from vitbench.analysis.verdicts import (
    add_needed_sizes,
    add_verdicts,
    examine_pairs,
    examine_sampled_mean,
    examine_samples,
)
from vitbench.config.report import Statistics
from vitbench.results.schema import COLUMNS, CONFIGURATION_KEYS

METRICS = ("test_accuracy", "test_top5_accuracy")


def compare_backends(
    runs: pd.DataFrame, rounds: pd.DataFrame, settings: Statistics, hits: Hits | None = None
) -> pd.DataFrame:
    """tables/comparisons: a row per pair of backends and metric, for each model, execution mode and precision.

    runs, rounds: the tables. Accuracies are paired by seed, and speeds by round. The pairs of one metric are a family,
    whose p-values are adjusted together. hits: of all runs, to account for the sampling error of the test images.
    """
    rows = [*_compare_backend_accuracies(runs, settings, hits or {}), *compare_backend_speeds(rounds, settings)]
    return pd.DataFrame(rows, columns=COLUMNS["comparisons"])


def _compare_backend_accuracies(runs: pd.DataFrame, settings: Statistics, hits: Hits) -> list[dict]:
    rows = []
    completed = runs[runs["status"] == "completed"]
    for metric in METRICS:
        family = []
        for names, group in completed.groupby(GROUP_KEYS, sort=False):
            by_seed = group.pivot(index="seed", columns="backend", values=metric).astype(float)
            for a, b in itertools.combinations(group["backend"].unique(), 2):
                pair = by_seed[[a, b]].dropna()
                row = dict(zip(GROUP_KEYS, names, strict=True)) | {"metric": metric, "backend_a": a, "backend_b": b}
                keys = [(names[1], backend, *names[2:]) for backend in (a, b)]
                hits_a, hits_b = (stack_hits(hits, key, pair.index, metric) for key in keys)
                sample = None if hits_a is None or hits_b is None else sample_mean(hits_a - hits_b)
                family.append(row | compare_paired(pair[a].to_numpy(), pair[b].to_numpy(), settings, sample))
        add_verdicts(family, settings.confidence, "seed")
        rows += add_needed_sizes(family, settings.confidence, "seed", settings.equivalence_margin)
    return rows


def stack_hits(hits: Hits, configuration: tuple, seeds: Iterable[int], metric: str) -> np.ndarray | None:
    """The hits of a configuration, float64 (seeds, images); None for fewer than two seeds, or if some are missing.

    configuration: model, backend, execution mode and precision.
    """
    runs = [hits.get((*configuration, int(seed))) for seed in seeds]
    rows = [run[metric] for run in runs if run is not None]
    return np.stack(rows).astype(float) if len(rows) == len(runs) >= 2 else None


def summarize_accuracies(runs: pd.DataFrame, settings: Statistics, hits: Hits | None = None) -> pd.DataFrame:
    """tables/summaries: n, mean, standard deviation and t interval of each configuration's accuracies.

    hits: as for `compare_backends`.
    """
    rows = []
    completed = runs[runs["status"] == "completed"]
    keys = ["experiment", *CONFIGURATION_KEYS]
    for names, group in completed.groupby(keys, sort=False):
        for metric in METRICS:
            present = group.dropna(subset=[metric])
            row = dict(zip(keys, names, strict=True)) | {"metric": metric}
            row |= summarize(present[metric].to_numpy(float), settings.confidence)
            by_image = stack_hits(hits or {}, tuple(names[1:]), present["seed"], metric)
            if by_image is not None:
                row["ci_low"], row["ci_high"] = sample_mean(by_image).interval(settings.confidence)
            rows.append(row)
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


def compare_paired(a: np.ndarray, b: np.ndarray, settings: Statistics, sample: SampledMean | None = None) -> dict:
    """The mean of a − b over paired seeds, with its tests; see `examine_pairs`.

    a, b: accuracies 0–1, float64 (n,), of the same seeds in the same order. sample: the same mean over seeds and test
    images, whose error then counts.
    """
    row = {"mean_a": a.mean() if len(a) else None, "mean_b": b.mean() if len(b) else None}
    row |= {"test": "paired t over seeds"} | examine_pairs(a - b, settings.equivalence_margin, settings.confidence)
    if sample is None:
        return row
    row |= {"test": "paired t over seeds and test images", "image_error": sample.other_error}
    return row | examine_sampled_mean(sample, len(a), settings.equivalence_margin, settings.confidence)


def compare_unpaired(a: np.ndarray, b: np.ndarray, settings: Statistics, sample: SampledMean | None = None) -> dict:
    """As `compare_paired`, for seeds that are not paired: a float64 (n_a,), b (n_b,)."""
    if sample is None:
        return examine_samples(a, b, settings.equivalence_margin, settings.confidence)
    return examine_sampled_mean(sample, min(len(a), len(b)), settings.equivalence_margin, settings.confidence)
