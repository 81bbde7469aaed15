"""The summary on top of the report: sentences made from the tables, which claim no more than the tables show.

Every sentence is plain text; the code that puts it into HTML escapes it.
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
_REASONS = {  # why a backend was not compared, the first that applies
    "gated": "stopped by the parity gate",
    "failed": "failed",
    "missing": "not run",
    "diverged": "diverged",
    "out_of_memory": "out of memory",
    "unequal": "not compared, because parity failed",
}


@dataclass(frozen=True)
class Speed:
    """What the timed blocks show about the backends' speeds in one phase.

    fastest: the fastest backend, and those not shown to be slower. kind: winner, tie (shown to be equally fast),
    unclear (neither), alone (the only backend) or none. not_compared: a clause about the other backends.
    """

    fastest: list[str]
    kind: str
    sentence: str
    not_compared: str


def summarize(tables: dict[str, pd.DataFrame], config: Config) -> list[str]:
    """The answer for the main model: the fastest backend for training and for inference, then by how much.

    The main model is the first one that is not the baseline. Speeds are those of the tuned execution mode where it was
    measured. What was trained or timed although parity failed is not part of an answer.
    """
    model = main_model(config)
    names = ("runs", "epochs", "throughput", "comparisons")
    runs, epochs, throughput, comparisons = (tables[name][tables[name]["model"] == model] for name in names)
    training, inference = (_compare_speeds(throughput, comparisons, config, model, phase) for phase in PHASES)
    hardware = _describe_hardware(runs, throughput)
    if training.kind == inference.kind == "none":
        sentences = [f"{hardware}, no speed of {model} was measured{training.not_compared}."]
    else:
        repeated = training.not_compared == inference.not_compared
        sentences = [
            f"{hardware}, {_recommend(model, training, inference)}.",
            f"{training.sentence}{training.not_compared}.",
            f"{inference.sentence}{'' if repeated else inference.not_compared}.",
        ]
    sentences += _compare_precisions(throughput, config)
    return [
        *sentences,
        _summarize_accuracy(runs, comparisons, config),
        *_summarize_time_to_target(runs, epochs, config),
    ]


def main_model(config: Config) -> str:
    names = list(config.models.parameters())
    others = [name for name in names if config.baseline is None or name != config.baseline.model]
    return (others or names)[0]


def _recommend(model: str, training: Speed, inference: Speed) -> str:
    if (training.fastest, training.kind) == (inference.fastest, inference.kind):
        return _describe_fastest(training, f"both training and inference of {model}")
    return f"{_describe_fastest(training, f'training {model}')}; {_describe_fastest(inference, 'inference')}"


def _describe_fastest(speed: Speed, phase: str) -> str:
    names = join_words(speed.fastest)
    if speed.kind == "winner":
        return f"{names} is the fastest backend for {phase}"
    if speed.kind == "tie":
        return f"{names} are equally fast for {phase}"
    if speed.kind == "unclear":
        return f"the measurements do not show which of {names} is the fastest for {phase}"
    return f"only {names} was measured for {phase}" if speed.kind == "alone" else f"no backend was measured for {phase}"


def _compare_speeds(
    throughput: pd.DataFrame, comparisons: pd.DataFrame, config: Config, model: str, phase: str
) -> Speed:
    done = _select_phase(throughput, phase)
    execution, precision = _main_execution(done, config)
    done = done[(done["execution"] == execution) & (done["precision"] == precision)]
    batch = _main_batch_size(done, config)
    speeds = done[done["batch_size"] == batch].groupby("backend")["images_per_second"].median()
    speeds = speeds.sort_values(ascending=False)
    same = throughput[(throughput["execution"] == execution) & (throughput["precision"] == precision)]
    not_compared = _describe_not_compared(same if len(done) else throughput, set(speeds.index), model, config)
    what = PHASES[phase]
    if speeds.empty:
        return Speed([], "none", f"The speed of {what} was not measured", not_compared)
    conditions = f"({execution}{_name_precision(precision, config, ', ')}, batch size {batch:.0f})"
    first = speeds.index[0]
    reached = f"In {what}, {first} reaches {format_number(speeds.iloc[0])} images/s {conditions}"
    if len(speeds) == 1:
        return Speed([first], "alone", f"{reached}; there is no other backend to compare it with", not_compared)
    pairs = comparisons[(comparisons["execution"] == execution) & (comparisons["precision"] == precision)]
    pairs = pairs[(pairs["metric"] == f"{phase}_images_per_second") & (pairs["batch_size"] == batch)]
    verdicts = {b: _read_verdict(pairs, first, b) for b in speeds.index[1:]}
    level = speeds[[b == first or not verdicts[b].startswith("different") for b in speeds.index]]
    ratios = _list_ratios(pairs, first, speeds, speeds.drop(level.index), config)
    if len(level) == 1:
        return Speed([first], "winner", f"{reached}: {join_words(ratios)}", not_compared)
    equal = all(verdicts[b] == "equivalent" for b in level.index[1:])
    names, values = join_words(level.index), join_words([format_number(v) for v in level])
    margin = format_percent(config.statistics.speed_margin)
    sentence = f"In {what}, {names} are equally fast to within {margin}"
    if not equal:
        sentence = f"In {what}, the timed blocks do not show which of {names} is the fastest"
    sentence += f": {values} images/s {conditions}"
    sentence += f"; {first} is {join_words(ratios)}" if ratios else ""
    return Speed(list(level.index), "tie" if equal else "unclear", sentence, not_compared)


def _list_ratios(pairs: pd.DataFrame, first: str, speeds: pd.Series, behind: pd.Series, config: Config) -> list[str]:
    """How much faster `first` is than each of the backends `behind`; the first interval says what it is."""
    ratios, name = [], f"{format_percent(config.statistics.confidence)} CI "
    for backend, speed in behind.items():
        low, high = _read_interval(pairs, first, backend)
        interval = f"({name}{format_number(low)} to {format_number(high)})"
        ratios.append(f"{format_ratio(speeds[first] / speed)} as fast as {backend} {interval}")
        name = ""
    return ratios


def _select_phase(throughput: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The completed measurements of `phase`, without those of backends that failed parity."""
    done = throughput[(throughput["phase"] == phase) & (throughput["status"] == "completed")]
    return done[done["images_per_second"].notna() & done["error"].isna()]


def _compare_precisions(throughput: pd.DataFrame, config: Config) -> list[str]:
    """A sentence per further precision: its median speeds relative to the precision of the answer."""
    clauses: dict[str, list[str]] = {}
    for phase, what in PHASES.items():
        done = _select_phase(throughput, phase)
        execution, first = _main_execution(done, config)
        done = done[(done["execution"] == execution) & (done["batch_size"] == _main_batch_size(done, config))]
        speeds = done.groupby(["precision", "backend"], sort=False)["images_per_second"].median()
        for precision in (p for p in config.precisions if p != first and p in speeds):
            ratios = (speeds[precision] / speeds[first]).dropna()
            reached = [f"{format_ratio(ratio)} on {backend}" for backend, ratio in ratios.items()]
            if reached:
                start = f"In {precision}, compared with {first}, "
                clauses.setdefault(start, []).append(f"{what} speed is {join_words(reached)}")
    return [f"{start}{'; '.join(parts)}." for start, parts in clauses.items()]


def _find_pair(pairs: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    return pairs[pairs["backend_a"].isin([a, b]) & pairs["backend_b"].isin([a, b])]


def _read_verdict(pairs: pd.DataFrame, a: str, b: str) -> str:
    """The verdict on the speeds of `a` and `b`; empty if there is none."""
    verdicts = _find_pair(pairs, a, b)["verdict"].dropna()
    return str(verdicts.iloc[0]) if len(verdicts) else ""


def _read_interval(pairs: pd.DataFrame, a: str, b: str) -> tuple[float, float]:
    """The interval of the speed of `a` ÷ that of `b`."""
    row = _find_pair(pairs, a, b).iloc[0]
    low, high = row.ratio_ci_low, row.ratio_ci_high
    return (low, high) if row.backend_a == a else (1 / high, 1 / low)


def _summarize_accuracy(runs: pd.DataFrame, comparisons: pd.DataFrame, config: Config) -> str:
    runs = runs[~((runs["status"] == "completed") & runs["error"].notna())]
    done = runs[(runs["status"] == "completed") & runs["test_accuracy"].notna()]
    if done.empty:
        return "No training run completed, so there is no test accuracy to report."
    execution, precision = _main_execution(done, config)
    runs, done, comparisons = (
        table[(table["execution"] == execution) & (table["precision"] == precision)]
        for table in (runs, done, comparisons)
    )
    backends = [backend for model, backend in config.model_backends() if model == main_model(config)]
    by_backend = {b: done.loc[done["backend"] == b, "test_accuracy"] for b in backends}
    by_backend = {b: values for b, values in by_backend.items() if len(values)}
    counts = {len(values) for values in by_backend.values()}
    same_n, alone = len(counts) == 1, len(by_backend) == 1
    values = [f"{format_spread(v)} on {b}" + ("" if same_n else f" ({len(v)})") for b, v in by_backend.items()]
    seeds = "number of seeds"
    if same_n:
        seeds = format_count(max(counts), "seed") + ("" if alone else " each")
    statistic = "mean ± standard deviation, " if max(counts) > 1 else ""
    sentence = f"Test accuracy{_name_precision(precision, config)} is {join_words(values)} ({statistic}{seeds})"
    missing = len(runs) - len(done)
    unfinished = f"; {missing} of {format_count(len(runs), 'run')} did not complete" if missing else ""
    pairs = comparisons[comparisons["metric"] == "test_accuracy"]
    pairs = pairs[pairs["backend_a"].isin(by_backend) & pairs["backend_b"].isin(by_backend)]
    return f"{sentence}; {_describe_accuracy_verdict(pairs, max(counts), alone, config)}{unfinished}."


def _summarize_time_to_target(runs: pd.DataFrame, epochs: pd.DataFrame, config: Config) -> list[str]:
    """How long the backends took to reach the target accuracy, startup included; nothing for a single backend."""
    done = runs[(runs["status"] == "completed") & runs["error"].isna()]
    execution, precision = _main_execution(done, config)
    done = done[(done["execution"] == execution) & (done["precision"] == precision)]
    timed = add_wall_seconds(epochs, done)
    times = time_to_target(timed, target_accuracies(timed, config.report.target_accuracy)).sort_values("seconds")
    reached = times[times["reached"] > 0]
    if len(times) < 2 or reached.empty:
        return []
    clauses = [
        f"{format_number(row.seconds)} s on {row.backend}"
        + ("" if row.reached == row.runs else f" ({row.reached} of {format_count(row.runs, 'run')})")
        for row in reached.itertuples()
    ]
    target, never = format_share(times["target"].iloc[0]), times.loc[times["reached"] == 0, "backend"]
    sentence = (
        f"From the start of the process to a validation accuracy of {target}{_name_precision(precision, config)}, "
    )
    sentence += f"runs took {join_words(clauses)} (medians over the runs that reached it)"
    return [sentence + (f"; it was not reached on {join_words(never)}." if len(never) else ".")]


def _describe_accuracy_verdict(pairs: pd.DataFrame, seeds: int, alone: bool, config: Config) -> str:
    if alone:
        return "there is no other backend to compare it with"
    verdicts = pairs["verdict"].fillna("").astype(str)
    different = pairs[verdicts.str.startswith("different")]
    if len(different):
        clauses = []
        for row in different.itertuples():
            a, b = (row.backend_a, row.backend_b) if row.difference > 0 else (row.backend_b, row.backend_a)
            low, high = sorted((abs(row.ci_low), abs(row.ci_high)))
            interval = f"{format_percent(config.statistics.confidence)} CI {format_share(low)} to {format_share(high)}"
            clauses.append(f"{a} is more accurate than {b} by {format_share(abs(row.difference))} ({interval})")
        others = len(pairs) - len(different)
        return join_words(clauses) + (", and no other difference between backends was detected" if others else "")
    if seeds == 1:
        return "one seed cannot show a difference between backends"
    if len(pairs) and verdicts.str.startswith("equivalent").all():
        return f"the backends are equivalent to within {format_share(config.statistics.equivalence_margin)}"
    return f"with {format_count(seeds, 'seed')}, no difference between backends was detected"


def _name_precision(precision: str, config: Config, start: str = " in ") -> str:
    """The precision, where the config has several."""
    return f"{start}{precision}" if len(config.precisions) > 1 else ""


def _main_execution(done: pd.DataFrame, config: Config) -> tuple[str, str]:
    """The execution mode and precision of the answer: tuned and the first of the config, where they completed."""
    precision = next((p for p in config.precisions if (done["precision"] == p).any()), config.precisions[0])
    executions = done.loc[done["precision"] == precision, "execution"]
    published_only = len(executions) and not (executions == "tuned").any()
    return ("published" if published_only else "tuned"), precision


def _main_batch_size(done: pd.DataFrame, config: Config) -> float:
    """The batch size that most backends were timed at; of several, the one of training, else the largest."""
    backends = done.groupby("batch_size")["backend"].nunique()
    sizes = backends[backends == backends.max()].index
    trained = config.training.batch_size
    return trained if trained in sizes or not len(sizes) else max(sizes)


def _describe_not_compared(rows: pd.DataFrame, measured: set, model: str, config: Config) -> str:
    by_reason: dict[str, list[str]] = {}
    for backend in (b for m, b in config.model_backends() if m == model and b not in measured):
        of_backend = rows[rows["backend"] == backend]
        failed_parity = (of_backend["status"] == "completed") & of_backend["error"].notna()
        statuses = set(of_backend["status"].mask(failed_parity, "unequal"))
        reason = next((words for status, words in _REASONS.items() if status in statuses), "not measured")
        by_reason.setdefault(reason, []).append(backend)
    return "".join(f"; {reason}: {join_words(backends)}" for reason, backends in by_reason.items())


def _describe_hardware(runs: pd.DataFrame, throughput: pd.DataFrame) -> str:
    columns = [table["device"] for table in (runs, throughput) if "device" in table]
    devices = list(pd.unique(pd.concat(columns).dropna())) if columns else []
    if len(devices) > 1:
        return f"On different devices ({'; '.join(devices)}), which the ratios also compare"
    return f"On this hardware ({devices[0]})" if devices else "On this hardware"
