"""How much faster one backend is than another: ratios of speeds over rounds, their intervals and verdicts.

The unit is the round, a process of its own. The timed blocks within a process are not independent: they say nothing
about the next process, which may be a quarter faster or slower.
"""

import itertools

import numpy as np
import pandas as pd

from vitbench.analysis.verdicts import add_needed_sizes, add_verdicts, examine_pairs
from vitbench.config.report import Statistics
from vitbench.results.schema import COLUMNS, CONFIGURATION_KEYS, MEASUREMENT_KEYS

GROUP_KEYS = ["experiment", "model", "execution", "precision"]
LEAST_ROUNDS = 3  # for a verdict


def compare_backend_speeds(rounds: pd.DataFrame, settings: Statistics) -> list[dict]:
    """A row of tables/comparisons per pair of backends, phase and batch size, for each model, mode and precision.

    rounds: tables/rounds. Speeds are paired by round, because what slows a machine down for a while slows both. The
    pairs of one phase are a family.
    """
    measured = rounds[(rounds["status"] == "completed") & ~rounds["control"].astype(bool)]
    rows = []
    for phase in measured["phase"].dropna().unique():
        family = []
        in_phase = measured[measured["phase"] == phase]
        for keys, group in in_phase.groupby([*GROUP_KEYS, "batch_size"], sort=False):
            *names, batch_size = keys
            by_backend = dict(list(group.groupby("backend", sort=False)))
            for a, b in itertools.combinations(by_backend, 2):
                row = dict(zip(GROUP_KEYS, names, strict=True))
                row |= {"metric": f"{phase}_images_per_second", "batch_size": batch_size}
                row |= {"backend_a": a, "backend_b": b}
                family.append(row | compare_speeds_by_round(by_backend[a], by_backend[b], settings))
        rows += judge_speeds(family, settings)
    return rows


def compare_speeds_by_round(a: pd.DataFrame, b: pd.DataFrame, settings: Statistics) -> dict:
    """The ratio of two speeds, a ÷ b, over the rounds that both completed on the same device, with its t interval.

    a, b: rows of tables/rounds of one configuration, phase and batch size each. `difference` and what is computed from
    it are of the logarithms.
    """
    pairs = a.merge(b, on=["round", "device"], suffixes=("_a", "_b"))
    speeds_a, speeds_b = (pairs[f"images_per_second_{name}"].to_numpy(float) for name in ("a", "b"))
    row = {"mean_a": speeds_a.mean() if len(pairs) else None, "mean_b": speeds_b.mean() if len(pairs) else None}
    row |= {"test": "paired t over rounds, of log speeds"}
    return row | examine_log_ratios(np.log(speeds_a / speeds_b), settings)


def examine_log_ratios(log_ratios: np.ndarray, settings: Statistics) -> dict:
    """The geometric mean of ratios with its t interval, and the tests of `examine_pairs`, from float64 (n,)."""
    return add_ratio(examine_pairs(log_ratios, np.log1p(settings.speed_margin), settings.confidence))


def add_ratio(row: dict) -> dict:
    """Adds the ratio and its interval to a row whose difference is that of logarithms."""
    columns = {"ratio": "difference", "ratio_ci_low": "ci_low", "ratio_ci_high": "ci_high"}
    return row | {name: None if row.get(log) is None else float(np.exp(row[log])) for name, log in columns.items()}


def judge_speeds(family: list[dict], settings: Statistics) -> list[dict]:
    """The rows of a family with verdicts, and without the columns of logarithms, which `ratio` replaces."""
    add_verdicts(family, settings.confidence, "round", LEAST_ROUNDS)
    add_needed_sizes(family, settings.confidence, "round", np.log1p(settings.speed_margin))
    hidden = ("difference", "sd_difference", "ci_low", "ci_high")
    return [{key: value for key, value in row.items() if key not in hidden} for row in family]


def summarize_rounds(rounds: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """tables/throughput from tables/rounds: a row per configuration, phase and batch size.

    Speeds are geometric means over completed rounds, other numbers are medians. A configuration without a completed
    round has the status and the error of its first round.
    """
    keys = ["schema_version", "experiment", "dataset", *MEASUREMENT_KEYS]
    first = rounds[~rounds["control"].astype(bool)]
    # A round without a measurement is a row of its own only if the configuration has no measurement at all.
    has_measurement = first["phase"].notna().groupby([first[key] for key in CONFIGURATION_KEYS]).transform("any")
    first = first[first["phase"].notna() | ~has_measurement]
    rows = [_summarize(group, settings) for _, group in first.groupby(keys, sort=False, dropna=False)]
    return pd.DataFrame(rows, columns=COLUMNS["throughput"])


def _summarize(group: pd.DataFrame, settings: Statistics) -> dict:
    completed = group[group["status"] == "completed"]
    if completed.empty:
        return group.iloc[0].to_dict() | {"rounds": 0}
    row: dict = {}
    for name in completed.columns:
        values = completed[name].dropna()
        is_number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
        if values.empty:
            row[name] = None
        elif name == "warmup_settled":
            row[name] = bool(values.astype(bool).all())
        elif name == "device_peak_flops_per_second":
            row[name] = values.max()
        elif is_number:
            median = values.astype(float).median()
            row[name] = round(median) if pd.api.types.is_integer_dtype(values.dtype) else median
        else:
            row[name] = "; ".join(dict.fromkeys(values.astype(str)))
    speeds = completed["images_per_second"].to_numpy(float)
    logs = examine_pairs(np.log(speeds), 0.0, settings.confidence)
    low, high = (None if logs.get(name) is None else float(np.exp(logs[name])) for name in ("ci_low", "ci_high"))
    spread = speeds.std(ddof=1) / speeds.mean() if len(speeds) > 1 else None
    mean = float(np.exp(logs["difference"]))
    row["disturbed_rounds"] = int(completed["disturbed"].astype("boolean").sum())
    row |= {"rounds": len(speeds), "images_per_second": mean, "round_spread": spread}
    if row.get("flops_per_image"):
        row["achieved_flops_per_second"] = row["flops_per_image"] * mean
    return row | {"images_per_second_ci_low": low, "images_per_second_ci_high": high}


def add_utilisation(throughput: pd.DataFrame) -> pd.DataFrame:
    """The table with one peak per device and precision, the largest of all, and the utilisation of that peak.

    The peak that a process reaches varies by a factor of three on a shared CPU, so each process's own would not do.
    """
    peaks = throughput.groupby(["device", "precision"])["device_peak_flops_per_second"].transform("max")
    achieved = throughput["achieved_flops_per_second"].astype(float)
    return throughput.assign(device_peak_flops_per_second=peaks, mfu=achieved / peaks.astype(float))


def compare_controls(rounds: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """tables/controls: how much two measurements of the same configuration in the same round differ."""
    rows = []
    completed = rounds[rounds["status"] == "completed"]
    is_control = completed["control"].astype(bool)
    for keys, repeated in completed[is_control].groupby(["experiment", *MEASUREMENT_KEYS], sort=False):
        names = dict(zip(["experiment", *MEASUREMENT_KEYS], keys, strict=True))
        once = completed[~is_control]
        for name, value in names.items():
            once = once[once[name] == value]
        pairs = once.merge(repeated, on=["round", "device"], suffixes=("_a", "_b"))
        logs = np.log((pairs["images_per_second_a"] / pairs["images_per_second_b"]).to_numpy(float))
        row = names | examine_log_ratios(logs, settings)
        rms = float(np.expm1(np.sqrt(np.mean(logs**2)))) if len(logs) else None
        (judged,) = judge_speeds([row], settings)
        rows.append(judged | {"difference": rms})
    return pd.DataFrame(rows, columns=COLUMNS["controls"])
