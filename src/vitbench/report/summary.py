"""What the report says in words: sentences made from the tables, which claim no more than the tables carry.

Every sentence is plain text; whoever puts it into HTML escapes it.
"""

from dataclasses import dataclass

import pandas as pd

from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies, time_to_target
from vitbench.config.schema import Config
from vitbench.formatting import (
    format_count,
    format_number,
    format_percent,
    format_ratio,
    format_share,
    format_spread,
    join_words,
)

PHASES = {"train": "training", "infer": "inference"}
_NOT_TOLD_APART = "not told apart by the timed blocks"
_VERDICTS = {  # what stands behind the backends that are named
    "winner": "",
    "tie": ": no difference that matters",
    "unclear": ": these measurements do not tell them apart",
    "alone": ", the only one that was measured",
    "none": "no backend, since nothing was measured",
}
_ENDINGS = {
    "gated": "stopped by the parity gate",
    "failed": "failed",
    "missing": "not run",
    "diverged": "diverged",
    "out_of_memory": "out of memory",
    "unequal": "not compared, since its parity failed",
}


@dataclass(frozen=True)
class Speed:
    """What the timed blocks say of the backends' speeds in one phase.

    level: the fastest backend, and those not shown to be slower. kind: one of the keys of _VERDICTS.
    """

    level: list[str]
    kind: str
    sentence: str
    lost: str


def summarize(tables: dict[str, pd.DataFrame], config: Config) -> list[str]:
    """The answer for the main model: which backend for training and which for inference; then by how much, how sure.

    The main model is the first that is not the baseline. Speeds are of the tuned execution, where it was measured. What
    was trained or timed although its parity failed is no answer to anything.
    """
    model = main_model(config)
    names = ("runs", "epochs", "throughput", "comparisons")
    runs, epochs, throughput, comparisons = (tables[name][tables[name]["model"] == model] for name in names)
    training, inference = (_speed(throughput, comparisons, config, model, phase) for phase in PHASES)
    where = _hardware(runs, throughput)
    if training.kind == inference.kind == "none":
        says = [f"{where}, no speed of {model} was measured{training.lost}."]
    else:
        said_twice = training.lost == inference.lost
        says = [f"{where}: {_advice(model, training, inference)}.", f"{training.sentence}{training.lost}."]
        says.append(f"{inference.sentence}{'' if said_twice else inference.lost}.")
    says += _other_precisions(throughput, config)
    return [*says, _accuracy(runs, comparisons, config), *_from_cold(runs, epochs, config)]


def main_model(config: Config) -> str:
    names = list(config.models.parameters())
    others = [name for name in names if config.baseline is None or name != config.baseline.model]
    return (others or names)[0]


def _advice(model: str, training: Speed, inference: Speed) -> str:
    for_training, for_inference = (" or ".join(speed.level) + _VERDICTS[speed.kind] for speed in (training, inference))
    if for_training == for_inference:
        return f"for training {model} and for inference alike, {for_training}"
    return f"for training {model}, {for_training}; for inference, {for_inference}"


def _speed(throughput: pd.DataFrame, comparisons: pd.DataFrame, config: Config, model: str, phase: str) -> Speed:
    done = _timed(throughput, phase)
    execution, precision = _slice(done, config)
    done = done[(done["execution"] == execution) & (done["precision"] == precision)]
    batch = _batch_size(done, config)
    speeds = done[done["batch_size"] == batch].groupby("backend")["images_per_second"].median()
    speeds = speeds.sort_values(ascending=False)
    same = throughput[(throughput["execution"] == execution) & (throughput["precision"] == precision)]
    lost = _lost(same if len(done) else throughput, set(speeds.index), model, config)
    what = PHASES[phase]
    if speeds.empty:
        return Speed([], "none", f"The speed of {what} was not measured", lost)
    how = f"as {execution}{_in(precision, config)} at batch size {batch:.0f}"
    first, best = speeds.index[0], speeds.iloc[0]
    if len(speeds) == 1:
        says = (
            f"In {what}, {first} reaches {format_number(best)} images/s {how}, with no other backend to compare it with"
        )
        return Speed([first], "alone", says, lost)
    timed = comparisons[(comparisons["execution"] == execution) & (comparisons["precision"] == precision)]
    timed = timed[(timed["metric"] == f"{phase}_images_per_second") & (timed["batch_size"] == batch)]
    told = {b: _told_apart(timed, first, b) for b in speeds.index[1:]}
    level = speeds[[b == first or not told[b].startswith("different") for b in speeds.index]]
    behind = speeds.drop(level.index)
    interval = f"{format_percent(config.statistics.confidence)} interval"
    ratios = [
        f"{format_ratio(best / v)} {b}" + _reach(timed, first, b, interval if n == 0 else "")
        for n, (b, v) in enumerate(behind.items())
    ]
    if len(level) == 1:
        says = f"In {what}, {first} is fastest: {format_number(best)} images/s {how}, {join_words(ratios)}"
        return Speed([first], "winner", says, lost)
    equal = all(told[b] == "equivalent" for b in level.index[1:])
    says = f"In {what}, {join_words(level.index)} are "
    says += f"equally fast to within {format_percent(config.statistics.speed_margin)}" if equal else _NOT_TOLD_APART
    says += f": {join_words([format_number(v) for v in level])} images/s {how}"
    says += f"; {first} reaches {join_words(ratios)}" if ratios else ""
    return Speed(list(level.index), "tie" if equal else "unclear", says, lost)


def _timed(throughput: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The completed measurements of `phase` that nothing stands against."""
    done = throughput[(throughput["phase"] == phase) & (throughput["status"] == "completed")]
    return done[done["images_per_second"].notna() & done["error"].isna()]


def _other_precisions(throughput: pd.DataFrame, config: Config) -> list[str]:
    """A sentence per further precision: the median speeds in it over those in the one that the answer is about."""
    found: dict[str, list[str]] = {}
    for phase, what in PHASES.items():
        done = _timed(throughput, phase)
        execution, first = _slice(done, config)
        done = done[(done["execution"] == execution) & (done["batch_size"] == _batch_size(done, config))]
        speeds = done.groupby(["precision", "backend"], sort=False)["images_per_second"].median()
        for precision in (p for p in config.precisions if p != first and p in speeds):
            ratios = (speeds[precision] / speeds[first]).dropna()
            reached = [f"{format_ratio(ratio)} on {backend}" for backend, ratio in ratios.items()]
            says = f"{what} reaches {join_words(reached)}"
            found.setdefault(f"In {precision}, compared with {first}, ", []).extend([says] if reached else [])
    return [f"{which}{'; '.join(says)}." for which, says in found.items() if says]


def _pair(timed: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    return timed[timed["backend_a"].isin([a, b]) & timed["backend_b"].isin([a, b])]


def _told_apart(timed: pd.DataFrame, a: str, b: str) -> str:
    """The verdict on the speeds of `a` and `b`; empty where there is none."""
    verdicts = _pair(timed, a, b)["verdict"].dropna()
    return str(verdicts.iloc[0]) if len(verdicts) else ""


def _reach(timed: pd.DataFrame, a: str, b: str, name: str) -> str:
    """The interval of the speed of `a` over that of `b`, in brackets."""
    row = _pair(timed, a, b).iloc[0]
    reach = (row.ratio_ci_low, row.ratio_ci_high)
    if row.backend_a != a:
        reach = (1 / reach[1], 1 / reach[0])
    return f" ({name}{' ' * bool(name)}{format_number(reach[0])} to {format_number(reach[1])})"


def _accuracy(runs: pd.DataFrame, comparisons: pd.DataFrame, config: Config) -> str:
    runs = runs[~((runs["status"] == "completed") & runs["error"].notna())]
    done = runs[(runs["status"] == "completed") & runs["test_accuracy"].notna()]
    if done.empty:
        return "No training run completed, so there is no test accuracy to report."
    execution, precision = _slice(done, config)
    runs, done, comparisons = (
        t[(t["execution"] == execution) & (t["precision"] == precision)] for t in (runs, done, comparisons)
    )
    backends = [b for m, b in config.model_backends() if m == main_model(config)]
    by_backend = {b: done.loc[done["backend"] == b, "test_accuracy"] for b in backends}
    by_backend = {b: values for b, values in by_backend.items() if len(values)}
    counts = {len(values) for values in by_backend.values()}
    alone = len(by_backend) == 1
    told = join_words(
        [f"{format_spread(v)} on {b}" + ("" if len(counts) == 1 else f" ({len(v)})") for b, v in by_backend.items()]
    )
    sign = "mean ± standard deviation, " if max(counts) > 1 else ""
    seeds = (
        format_count(max(counts), "seed") + (" each" if not alone else "") if len(counts) == 1 else "(number of seeds)"
    )
    says = f"Test accuracy{_in(precision, config)} is {told} ({sign}{seeds.strip('()')})"
    missing = len(runs) - len(done)
    lost = f"; {missing} of {format_count(len(runs), 'run')} did not complete" if missing else ""
    pairs = comparisons[comparisons["metric"] == "test_accuracy"]
    pairs = pairs[pairs["backend_a"].isin(by_backend) & pairs["backend_b"].isin(by_backend)]
    return f"{says}; {_verdict(pairs, max(counts), alone, config)}{lost}."


def _from_cold(runs: pd.DataFrame, epochs: pd.DataFrame, config: Config) -> list[str]:
    """How long the backends took to the target accuracy, what each start costs included."""
    done = runs[(runs["status"] == "completed") & runs["error"].isna()]
    execution, precision = _slice(done, config)
    done = done[(done["execution"] == execution) & (done["precision"] == precision)]
    timed = add_wall_seconds(epochs, done)
    found = time_to_target(timed, target_accuracies(timed, config.report.target_accuracy)).sort_values("seconds")
    there = found[found["reached"] > 0]
    if len(found) < 2 or there.empty:
        return []
    took = [
        f"{format_number(row.seconds)} s on {row.backend}"
        + ("" if row.reached == row.runs else f" ({row.reached} of {format_count(row.runs, 'run')})")
        for row in there.itertuples()
    ]
    accuracy, never = format_share(found["target"].iloc[0]), found.loc[found["reached"] == 0, "backend"]
    says = f"From the start of the process to a validation accuracy of {accuracy}{_in(precision, config)} it took "
    says += f"{join_words(took)} (medians over the runs that reached it)"
    return [says + (f"; not reached on {join_words(never)}." if len(never) else ".")]


def _verdict(pairs: pd.DataFrame, seeds: int, alone: bool, config: Config) -> str:
    if alone:
        return "there is no other backend to compare it with"
    verdicts = pairs["verdict"].fillna("").astype(str)
    different = pairs[verdicts.str.startswith("different")]
    if len(different):
        clauses = []
        for row in different.itertuples():
            a, b = (row.backend_a, row.backend_b) if row.difference > 0 else (row.backend_b, row.backend_a)
            low, high = sorted((abs(row.ci_low), abs(row.ci_high)))
            interval = (
                f"{format_percent(config.statistics.confidence)} interval {format_share(low)} to {format_share(high)}"
            )
            clauses.append(f"{a} is above {b} by {format_share(abs(row.difference))} ({interval})")
        others = len(pairs) - len(different)
        return join_words(clauses) + (", and no other difference between backends is shown" if others else "")
    if seeds == 1:
        return "one seed cannot show a difference between backends"
    if len(pairs) and verdicts.str.startswith("equivalent").all():
        return f"the backends are equivalent to within {format_share(config.statistics.equivalence_margin)}"
    return f"with {format_count(seeds, 'seed')} no difference between backends is shown"


def _in(precision: str, config: Config) -> str:
    """Named only where there are others."""
    return f" in {precision}" if len(config.precisions) > 1 else ""


def _slice(done: pd.DataFrame, config: Config) -> tuple[str, str]:
    """The execution and precision that the answer is about: tuned and the config's first, where they completed."""
    precision = next((p for p in config.precisions if (done["precision"] == p).any()), config.precisions[0])
    executions = done.loc[done["precision"] == precision, "execution"]
    published_only = len(executions) and not (executions == "tuned").any()
    return ("published" if published_only else "tuned"), precision


def _batch_size(done: pd.DataFrame, config: Config) -> float:
    """The batch size that most backends were timed at; of several, the one of training, else the largest."""
    backends = done.groupby("batch_size")["backend"].nunique()
    sizes = backends[backends == backends.max()].index
    trained = config.training.batch_size
    return trained if trained in sizes or not len(sizes) else max(sizes)


def _lost(rows: pd.DataFrame, measured: set, model: str, config: Config) -> str:
    endings: dict[str, list[str]] = {}
    for backend in (b for m, b in config.model_backends() if m == model and b not in measured):
        of_backend = rows[rows["backend"] == backend]
        in_spite = (of_backend["status"] == "completed") & of_backend["error"].notna()
        statuses = set(of_backend["status"].mask(in_spite, "unequal"))
        ending = next((words for status, words in _ENDINGS.items() if status in statuses), "not measured")
        endings.setdefault(ending, []).append(backend)
    return "".join(f"; {ending}: {join_words(backends)}" for ending, backends in endings.items())


def _hardware(runs: pd.DataFrame, throughput: pd.DataFrame) -> str:
    found = [t["device"] for t in (runs, throughput) if "device" in t]
    devices = list(pd.unique(pd.concat(found).dropna())) if found else []
    if len(devices) > 1:
        return f"On different devices ({'; '.join(devices)}), which the ratios also compare"
    return f"On this hardware ({devices[0]})" if devices else "On this hardware"
