"""The summary at the top of the report: sentences made from the tables, which claim no more than the tables show.

Every sentence is plain text; the code that puts it into HTML escapes it.
"""

import dataclasses

import pandas as pd

from vitbench.analysis.selection import is_comparable, main_execution, main_model, select_execution
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies, time_to_target
from vitbench.config.schema import Config
from vitbench.formatting import format_count, format_number, format_percent, format_share, format_spread, join_words
from vitbench.report.speed_summary import (
    PHASES,
    describe_disturbances,
    describe_noise,
    describe_precisions,
    describe_speeds,
    describe_training_time,
    rank_backends,
    rank_training_times,
    recommend,
)


def summarize(tables: dict[str, pd.DataFrame], config: Config, train_images: int | None = None) -> list[str]:
    """The answer for the main model: the fastest backend, the speeds, the accuracies and the time to the target.

    train_images: per epoch. If it is given, the answer about training counts the startup, for the configured epochs.

    The main model is the first one that is not the baseline. Speeds are those of the tuned execution mode if it was
    measured. Runs and measurements of a backend that failed parity are left out.
    """
    model = main_model(config)
    names = ("runs", "epochs", "throughput", "comparisons", "rounds")
    runs, epochs, throughput, comparisons, rounds = (tables[name][tables[name]["model"] == model] for name in names)
    return [
        *_summarize_speeds(runs, throughput, comparisons, rounds, config, train_images),
        *describe_noise(tables["controls"]),
        *describe_disturbances(rounds),
        *_describe_unmeasured_plans(throughput),
        *describe_precisions(throughput, config),
        _summarize_accuracy(runs, comparisons, config),
        *_summarize_time_to_target(runs, epochs, config),
    ]


def _summarize_speeds(
    runs: pd.DataFrame,
    throughput: pd.DataFrame,
    comparisons: pd.DataFrame,
    rounds: pd.DataFrame,
    config: Config,
    train_images: int | None,
) -> list[str]:
    """The recommendation, then a paragraph per phase. Equal remarks about excluded backends appear once."""
    model, hardware = main_model(config), _describe_hardware(runs, throughput)
    training, inference = (rank_backends(throughput, comparisons, config, phase) for phase in PHASES)
    if training.outcome == inference.outcome == "none":
        return [_join_sentences(f"{hardware}, no speed of {model} was measured.", training.excluded)]
    excluded = inference.excluded if inference.excluded != training.excluded else ""
    decision, time, duration = training, [], ""
    if train_images and training.outcome != "none":
        predicted, fastest = rank_training_times(throughput, rounds, config, train_images)
        if predicted.outcome != "none":
            decision, time = predicted, [describe_training_time(predicted, fastest, config)]
            duration = f" for {format_count(config.model_epochs(model), 'epoch')}"
            training = dataclasses.replace(training, phase="steady-state training")
    return [
        f"{hardware}, {recommend(decision, inference, model, duration)}.",
        *time,
        _join_sentences(describe_speeds(training, config), training.excluded),
        _join_sentences(describe_speeds(inference, config), excluded),
    ]


def _describe_unmeasured_plans(throughput: pd.DataFrame) -> list[str]:
    unmeasured = throughput[~throughput["plan_measured"].astype("boolean").fillna(True)]
    if unmeasured.empty:
        return []
    backends = join_words(list(unmeasured["backend"].unique()))
    return [
        f"Warning: tune measured no plan of {backends}, so tuned (not measured) is the plan that is likely the "
        "fastest; a larger tuning.minimum_seconds may help."
    ]


def _describe_hardware(runs: pd.DataFrame, throughput: pd.DataFrame) -> str:
    columns = [table["device"] for table in (runs, throughput) if "device" in table]
    devices = list(pd.unique(pd.concat(columns).dropna())) if columns else []
    if len(devices) > 1:
        return f"On different devices ({'; '.join(devices)}), whose differences are part of every ratio"
    return f"On this hardware ({devices[0]})" if devices else "On this hardware"


def _summarize_accuracy(runs: pd.DataFrame, comparisons: pd.DataFrame, config: Config) -> str:
    runs = runs[is_comparable(runs) | (runs["status"] != "completed")]
    completed = runs[(runs["status"] == "completed") & runs["test_accuracy"].notna()]
    if completed.empty:
        return "No training run completed, so there is no test accuracy to report."
    execution, precision = main_execution(completed, config)
    runs, completed, pairs = (select_execution(table, execution, precision) for table in (runs, completed, comparisons))
    accuracies = {backend: group["test_accuracy"] for backend, group in completed.groupby("backend")}
    backends = [backend for model, backend in config.model_backends() if model == main_model(config)]
    accuracies = {backend: accuracies[backend] for backend in backends if backend in accuracies}
    pairs = pairs[pairs["metric"] == "test_accuracy"]
    pairs = pairs[pairs["backend_a"].isin(accuracies) & pairs["backend_b"].isin(accuracies)]
    unfinished = len(runs) - len(completed)
    return _join_sentences(
        _describe_accuracies(accuracies, _name_precision(precision, config)),
        _describe_accuracy_verdicts(pairs, accuracies, config),
        f"{unfinished} of {format_count(len(runs), 'run')} did not complete." if unfinished else "",
    )


def _describe_accuracies(accuracies: dict[str, pd.Series], precision: str) -> str:
    """The mean and deviation of each backend, and how many seeds they rest on."""
    counts = [len(values) for values in accuracies.values()]
    equal = len(set(counts)) == 1
    means = [
        f"{format_spread(values)} on {backend}" + ("" if equal else f" ({len(values)})")
        for backend, values in accuracies.items()
    ]
    seeds = format_count(counts[0], "seed") + (" each" if len(counts) > 1 else "") if equal else "number of seeds"
    statistic = "mean ± standard deviation, " if max(counts) > 1 else ""
    return f"Test accuracy{precision} is {join_words(means)} ({statistic}{seeds})."


def _describe_accuracy_verdicts(pairs: pd.DataFrame, accuracies: dict[str, pd.Series], config: Config) -> str:
    if len(accuracies) == 1:
        return "There is no other backend to compare it with."
    verdicts = pairs["verdict"].fillna("").astype(str)
    different = pairs[verdicts.str.startswith("different")]
    if len(different):
        clauses = [_describe_accuracy_difference(row, config) for row in different.itertuples()]
        rest = ", and no other difference between backends was detected" if len(different) < len(pairs) else ""
        return f"{join_words(clauses)}{rest}."
    seeds = max(len(values) for values in accuracies.values())
    if seeds == 1:
        return "One seed cannot show a difference between backends."
    if len(pairs) and verdicts.str.startswith("equivalent").all():
        return f"The backends are equivalent to within {format_share(config.statistics.equivalence_margin)}."
    return f"With {format_count(seeds, 'seed')}, no difference in test accuracy between backends was detected."


def _describe_accuracy_difference(row, config: Config) -> str:
    better, worse = (row.backend_a, row.backend_b) if row.difference > 0 else (row.backend_b, row.backend_a)
    low, high = sorted((abs(row.ci_low), abs(row.ci_high)))
    interval = f"{format_percent(config.statistics.confidence)} CI {format_share(low)} to {format_share(high)}"
    return f"{better} is more accurate than {worse} by {format_share(abs(row.difference))} ({interval})"


def _summarize_time_to_target(runs: pd.DataFrame, epochs: pd.DataFrame, config: Config) -> list[str]:
    """How long the backends took to reach the target accuracy, startup included; empty for a single backend."""
    completed = runs[is_comparable(runs)]
    execution, precision = main_execution(completed, config)
    timed = add_wall_seconds(epochs, select_execution(completed, execution, precision))
    times = time_to_target(timed, target_accuracies(timed, config.report.target_accuracy)).sort_values("seconds")
    reached = times[times["reached"] > 0]
    if len(times) < 2 or reached.empty:
        return []
    clauses = [
        f"{format_number(row.seconds)} s on {row.backend}"
        + ("" if row.reached == row.runs else f" ({row.reached} of {format_count(row.runs, 'run')})")
        for row in reached.itertuples()
    ]
    target = f"{format_share(times['target'].iloc[0])}{_name_precision(precision, config)}"
    missed = times.loc[times["reached"] == 0, "backend"]
    sentence = (
        f"From the start of the process to a validation accuracy of {target}, runs took {join_words(clauses)} "
        "(medians over the runs that reached it)."
    )
    return [_join_sentences(sentence, f"It was not reached on {join_words(missed)}." if len(missed) else "")]


def _name_precision(precision: str, config: Config) -> str:
    """The precision if the config has several."""
    return f" in {precision}" if len(config.precisions) > 1 else ""


def _join_sentences(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
