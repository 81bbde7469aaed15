"""Which backend is fastest in training and in inference: the ranking, and the sentences that describe it."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from vitbench.analysis.decision import compare_training_times, fastest_by_epochs, predict_training_seconds
from vitbench.analysis.selection import (
    comparable_measurements,
    is_comparable,
    main_batch_size,
    main_execution,
    main_model,
    select_execution,
)
from vitbench.analysis.speeds import LEAST_ROUNDS
from vitbench.config.schema import Config
from vitbench.formatting import format_count, format_duration, format_number, format_percent, format_ratio, join_words
from vitbench.results.schema import COLUMNS

Outcome = Literal["winner", "tie", "unclear", "alone", "none"]

PHASES = {"train": "training", "infer": "inference"}
_REASONS = {  # status → why a backend is not compared; the first that applies
    "gated": "stopped by the parity gate",
    "failed": "failed",
    "missing": "not run",
    "diverged": "diverged",
    "out_of_memory": "out of memory",
    "unequal": "failed parity",
}


@dataclass(frozen=True)
class Ranking:
    """The speeds of the backends in one phase, or their predicted times, all under the same conditions.

    values: backend → images/s or seconds, the fastest backend first.
    leaders: the fastest backend and those that are not shown to be slower.
    outcome: winner (one leader), tie (the leaders are shown to be equally fast), unclear (they are not), alone (only
        one backend was measured) or none.
    pairs: the rows of tables/comparisons about these speeds.
    excluded: a sentence about the backends that are not compared; empty if there are none.
    """

    phase: str
    conditions: str
    values: pd.Series
    leaders: list[str]
    outcome: Outcome
    pairs: pd.DataFrame
    excluded: str


def rank_backends(throughput: pd.DataFrame, comparisons: pd.DataFrame, config: Config, phase: str) -> Ranking:
    """Ranks the backends by the speeds of the main execution mode, precision and batch size.

    throughput, comparisons: the rows of the main model.
    """
    completed = comparable_measurements(throughput, phase)
    execution, precision = main_execution(completed, config)
    rows = select_execution(completed, execution, precision)
    batch_size = main_batch_size(rows, config)
    speeds = rows[rows["batch_size"] == batch_size].groupby("backend")["images_per_second"].median()
    speeds = speeds.sort_values(ascending=False)
    pairs = select_execution(comparisons, execution, precision)
    pairs = pairs[(pairs["metric"] == f"{phase}_images_per_second") & (pairs["batch_size"] == batch_size)]
    leaders, outcome = _find_leaders(speeds, pairs)
    attempts = throughput if completed.empty else select_execution(throughput, execution, precision)
    return Ranking(
        phase=PHASES[phase],
        conditions=f"({execution}{_name_precision(precision, config)}, batch size {batch_size:.0f})",
        values=speeds,
        leaders=leaders,
        outcome=outcome,
        pairs=pairs,
        excluded=_describe_excluded(attempts, set(speeds.index), config),
    )


def rank_training_times(
    throughput: pd.DataFrame, rounds: pd.DataFrame, config: Config, train_images: int
) -> tuple[Ranking, list[tuple[str, int]]]:
    """Ranks the backends by the predicted seconds of the configured epochs, startup included.

    throughput, rounds: the rows of the main model. train_images: per epoch. Also returns the backends that are the
    fastest for some number of epochs, each with the smallest such number.
    """
    steady = rank_backends(throughput, pd.DataFrame(columns=COLUMNS["comparisons"]), config, "train")
    completed = comparable_measurements(throughput, "train")
    execution, precision = main_execution(completed, config)
    rows = select_execution(rounds[is_comparable(rounds)], execution, precision)
    rows = rows[rows["batch_size"] == main_batch_size(select_execution(completed, execution, precision), config)]
    predicted = predict_training_seconds(rows, config.model_epochs(main_model(config)), train_images)
    pairs = compare_training_times(predicted, config.statistics)
    means = predicted.groupby("backend")[["startup_seconds", "epoch_seconds", "seconds"]].mean()
    seconds = means["seconds"].sort_values()
    leaders, outcome = _find_leaders(seconds, pairs)
    ranking = dataclasses.replace(steady, values=seconds, leaders=leaders, outcome=outcome, pairs=pairs)
    fastest = fastest_by_epochs(means["startup_seconds"], means["epoch_seconds"]) if len(means) else []
    return ranking, fastest


def describe_training_time(ranking: Ranking, fastest: list[tuple[str, int]], config: Config) -> str:
    """The predicted time of the configured epochs on each backend, and at how many epochs the fastest one changes.

    ranking, fastest: as `rank_training_times` returns them, for at least one backend.
    """
    epochs = format_count(config.model_epochs(main_model(config)), "epoch")
    times = join_words([f"{format_duration(seconds)} on {backend}" for backend, seconds in ranking.values.items()])
    sentences = [f"Predicted for {epochs}, startup included: {times}."]
    ratios = _list_ratios(ranking, config) if ranking.outcome != "alone" else []
    if ratios and ranking.outcome == "winner":
        sentences.append(f"{ranking.leaders[0]} is {join_words(ratios)}.")
    elif len(ranking.leaders) > 1:
        sentences.append(f"{_count_rounds(ranking).capitalize()} show {_ask_which_is_fastest(ranking.leaders)}.")
    if len(fastest) > 1:
        spans = [
            f"{backend} for up to {following - 1:,}" if place == 0 else f"then {backend}"
            for place, ((backend, _), (_, following)) in enumerate(itertools.pairwise(fastest))
        ]
        last, first_epoch = fastest[-1]
        sentences.append(f"Shortest by number of epochs: {', '.join(spans)}, and {last} from {first_epoch:,} on.")
    return " ".join(sentences)


def recommend(training: Ranking, inference: Ranking, model: str, duration: str = "") -> str:
    """The answer in one clause if both phases agree, else in two.

    duration: of the training, for example " for 6 epochs".
    """
    if (training.leaders, training.outcome) == (inference.leaders, inference.outcome):
        both = "either training or" if training.outcome == "unclear" else "both training and"
        return _describe_leaders(training, f"{both} inference of {model}")
    training_answer = _describe_leaders(training, f"training {model}{duration}")
    return f"{training_answer}; {_describe_leaders(inference, 'inference')}"


def describe_speeds(ranking: Ranking, config: Config) -> str:
    """The speeds of the leaders, and how much faster the fastest one is than each slower backend."""
    if ranking.outcome == "none":
        return f"{ranking.phase.capitalize()} speed was not measured."
    fastest, values = ranking.leaders[0], join_words([format_number(ranking.values[b]) for b in ranking.leaders])
    speeds = f"{values} images/s {ranking.conditions}"
    if ranking.outcome in ("winner", "alone"):
        sentence = f"In {ranking.phase}, {fastest} reaches {speeds}."
    elif ranking.outcome == "tie":
        margin = format_percent(config.statistics.speed_margin)
        sentence = f"In {ranking.phase}, {join_words(ranking.leaders)} are equally fast to within {margin}: {speeds}."
    else:
        question = _ask_which_is_fastest(ranking.leaders)
        sentence = f"In {ranking.phase}, {_count_rounds(ranking)} show {question}: {speeds}."
    if ranking.outcome == "alone":
        return f"{sentence} There is no other backend to compare it with."
    ratios = _list_ratios(ranking, config)
    subject = "It" if ranking.outcome == "winner" else fastest
    return f"{sentence} {subject} is {join_words(ratios)}." if ratios else sentence


def describe_noise(controls: pd.DataFrame) -> list[str]:
    """How much repeated measurements of a configuration differ, and a warning if that difference is significant.

    controls: tables/controls.
    """
    measured = controls[controls["difference"].notna()]
    if measured.empty:
        return []
    row = measured.iloc[0]
    by_phase = measured[measured["batch_size"] == row.batch_size].groupby("phase", sort=False)["difference"].first()
    values = [f"{format_percent(by_phase[phase])} in {name}" for phase, name in PHASES.items() if phase in by_phase]
    subject = f"{row.model} on {row.backend} ({row.execution})"
    sentences = [
        f"Noise floor of this machine: two measurements of {subject} within a round differ by {join_words(values)} "
        f"(root mean square over {format_count(int(row.n), 'round')})."
    ]
    different = measured[measured["verdict"].str.startswith("different")]
    if len(different):
        phases = join_words([PHASES[phase] for phase in different["phase"].unique()])
        sentences.append(
            f"Warning: in {phases}, the two measurements differ significantly, although the configuration is the same. "
            "This machine was too noisy for verdicts about speed."
        )
    return [" ".join(sentences)]


def describe_disturbances(rounds: pd.DataFrame) -> list[str]:
    """A warning if measurements were disturbed even when they were repeated.

    rounds: tables/rounds.
    """
    completed = rounds[rounds["status"] == "completed"]
    disturbed = completed[completed["disturbed"].astype("boolean").fillna(False)]
    if disturbed.empty:
        return []
    return [
        f"Warning: {len(disturbed):,} of {format_count(len(completed), 'measurement')} of speed were disturbed by "
        "other activity on the machine even when repeated; the table rounds says by what."
    ]


def describe_precisions(throughput: pd.DataFrame, config: Config) -> list[str]:
    """A sentence per further precision: its median speeds relative to those of the main precision.

    throughput: the rows of the main model.
    """
    clauses: dict[str, list[str]] = {}
    for phase, name in PHASES.items():
        rows = comparable_measurements(throughput, phase)
        execution, main = main_execution(rows, config)
        rows = rows[(rows["execution"] == execution) & (rows["batch_size"] == main_batch_size(rows, config))]
        speeds = rows.groupby(["precision", "backend"], sort=False)["images_per_second"].median()
        for precision in (p for p in config.precisions if p != main and p in speeds):
            ratios = (speeds[precision] / speeds[main]).dropna()
            factors = [f"{format_ratio(ratio)} on {backend}" for backend, ratio in ratios.items()]
            if factors:
                start = f"In {precision}, compared with {main}, "
                clauses.setdefault(start, []).append(f"{name} speed is {join_words(factors)}")
    return [f"{start}{'; '.join(parts)}." for start, parts in clauses.items()]


def _find_leaders(speeds: pd.Series, pairs: pd.DataFrame) -> tuple[list[str], Outcome]:
    if speeds.empty:
        return [], "none"
    fastest, *others = speeds.index
    if not others:
        return [fastest], "alone"
    verdicts = {backend: _read_verdict(pairs, fastest, backend) for backend in others}
    level = [backend for backend in others if not verdicts[backend].startswith("different")]
    if not level:
        return [fastest], "winner"
    equal = all(verdicts[backend] == "equivalent" for backend in level)
    return [fastest, *level], "tie" if equal else "unclear"


def _describe_leaders(ranking: Ranking, purpose: str) -> str:
    names = join_words(ranking.leaders)
    if ranking.outcome == "winner":
        return f"{names} is the fastest backend for {purpose}"
    if ranking.outcome == "tie":
        return f"{names} are equally fast for {purpose}"
    if ranking.outcome == "unclear":
        return f"the measurements do not show {_ask_which_is_fastest(ranking.leaders)} for {purpose}"
    return f"{'only ' + names if ranking.outcome == 'alone' else 'no backend'} was measured for {purpose}"


def _ask_which_is_fastest(backends: list[str]) -> str:
    return f"which of {join_words(backends)} is {'faster' if len(backends) == 2 else 'fastest'}"


def _count_rounds(ranking: Ranking) -> str:
    """The subject and verb of a sentence about what the rounds do not show."""
    rounds = ranking.pairs["n"].max()
    few = pd.isna(rounds) or rounds < LEAST_ROUNDS
    return f"fewer than {LEAST_ROUNDS} rounds cannot" if few else f"{rounds:.0f} rounds do not"


def _list_ratios(ranking: Ranking, config: Config) -> list[str]:
    """How much faster the fastest backend is than each one that is not a leader. The first interval names its kind."""
    ratios, kind = [], f"{format_percent(config.statistics.confidence)} CI "
    fastest = ranking.leaders[0]
    for backend in ranking.values.drop(ranking.leaders).index:
        ratio, low, high = _read_ratio(ranking.pairs, fastest, backend)
        interval = f"({kind}{format_number(low)} to {format_number(high)})"
        ratios.append(f"{format_ratio(ratio)} as fast as {backend} {interval}")
        kind = ""
    return ratios


def _find_pair(pairs: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    return pairs[pairs["backend_a"].isin([a, b]) & pairs["backend_b"].isin([a, b])]


def _read_verdict(pairs: pd.DataFrame, a: str, b: str) -> str:
    """The verdict on the speeds of `a` and `b`; empty if there is none."""
    verdicts = _find_pair(pairs, a, b)["verdict"].dropna()
    return str(verdicts.iloc[0]) if len(verdicts) else ""


def _read_ratio(pairs: pd.DataFrame, a: str, b: str) -> tuple[float, float, float]:
    """The speed of `a` ÷ the speed of `b`, and the interval of this ratio."""
    row = _find_pair(pairs, a, b).iloc[0]
    ratio, low, high = row.ratio, row.ratio_ci_low, row.ratio_ci_high
    return (ratio, low, high) if row.backend_a == a else (1 / ratio, 1 / high, 1 / low)


def _name_precision(precision: str, config: Config) -> str:
    """The precision after a comma if the config has several."""
    return f", {precision}" if len(config.precisions) > 1 else ""


def _describe_excluded(attempts: pd.DataFrame, measured: set[str], config: Config) -> str:
    """A sentence that names the backends of the main model without a comparable speed, and why."""
    by_reason: dict[str, list[str]] = {}
    backends = [backend for model, backend in config.model_backends() if model == main_model(config)]
    for backend in (backend for backend in backends if backend not in measured):
        rows = attempts[attempts["backend"] == backend]
        failed_parity = (rows["status"] == "completed") & rows["error"].notna()
        statuses = set(rows["status"].mask(failed_parity, "unequal"))
        reason = next((reason for status, reason in _REASONS.items() if status in statuses), "not measured")
        by_reason.setdefault(reason, []).append(backend)
    clauses = [f"{join_words(names)} ({reason})" for reason, names in by_reason.items()]
    return f"Not compared: {'; '.join(clauses)}." if clauses else ""
