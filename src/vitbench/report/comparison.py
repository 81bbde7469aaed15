"""The page that compares two experiments: its sentences and its tables."""

from functools import partial

import pandas as pd

from vitbench.analysis.selection import main_model
from vitbench.config.schema import Config
from vitbench.formatting import (
    MISSING,
    format_count,
    format_number,
    format_percent,
    format_ratio,
    format_share,
    join_words,
)
from vitbench.report.html import Html, abbreviate, render_paragraphs, render_table
from vitbench.report.speed_summary import PHASES
from vitbench.report.tables.rows import condensed_table, configuration_cells, format_bounds, format_signed
from vitbench.results.schema import CONFIGURATION_KEYS

Names = tuple[str, str]  # of the two experiments


def summarize_comparison(
    names: Names,
    speeds: pd.DataFrame,
    accuracies: pd.DataFrame,
    differences: tuple[pd.DataFrame, pd.DataFrame],
    same_images: bool,
    config: Config,
) -> list[str]:
    """How the speeds and accuracies of the second experiment differ from those of the first, and what else differs.

    speeds, accuracies, differences (settings and recorded properties that differ): as `vitbench.analysis.comparison`
    returns them. config: of the second experiment.
    """
    settings, properties = (len(table) for table in differences)
    return [
        _summarize_main_speeds(names, speeds, config),
        *_count_speed_verdicts(speeds),
        *_describe_resolution(speeds),
        _summarize_accuracies(names, accuracies, same_images, config),
        f"{format_count(settings, 'setting')} of the config and {format_count(properties, 'recorded value')} of "
        "hardware or software differ."
        if settings or properties
        else "Config, hardware and software are the same, as far as they are recorded.",
    ]


def _summarize_main_speeds(names: Names, speeds: pd.DataFrame, config: Config) -> str:
    """The speeds of the main model in the tuned execution mode, the first precision and the config's batch size.

    What was not measured in both experiments is replaced by the next best that was.
    """
    model = main_model(config)
    rows = speeds[speeds["model"] == model]
    preferences = {
        "execution": ["tuned", "published"],
        "precision": config.precisions,
        "batch_size": [config.training.batch_size, *sorted(rows["batch_size"].unique(), reverse=True)],
    }
    for key, values in preferences.items():
        value = next((value for value in values if (rows[key] == value).any()), None)
        rows = rows[rows[key] == value]
    if rows.empty:
        return f"No speed of {model} was measured in both {names[0]} and {names[1]}."
    subject = model if len(config.precisions) == 1 else f"{model} in {rows['precision'].iloc[0]}"
    clauses = []
    for phase, name in PHASES.items():
        if results := _describe_speeds(rows[rows["phase"] == phase]):
            clauses.append(f"{name}{'' if clauses else f' of {subject}'} is {join_words(results)}")
    return f"In {names[1]}, compared with {names[0]}, {'; '.join(clauses)}."


def _describe_speeds(rows: pd.DataFrame) -> list[str]:
    """A result and the backends that have it, decided results first: "2.0 × as fast on jax and torch"."""
    backends: dict[str, list[str]] = {}
    for row in sorted(rows.itertuples(), key=lambda row: _verdict_rank(row.verdict)):
        backends.setdefault(_describe_speed(row), []).append(row.backend)
    return [f"{result} on {join_words(names)}" for result, names in backends.items()]


def _verdict_rank(verdict: str) -> int:
    return 0 if verdict.startswith("different") else 1 if verdict == "equivalent" else 2


def _describe_speed(row) -> str:
    if row.verdict == "equivalent":
        return "equally fast"
    if not row.verdict.startswith("different"):
        return "not shown to be faster or slower"
    return f"{format_ratio(row.ratio)} as fast"


def _count_speed_verdicts(speeds: pd.DataFrame) -> list[str]:
    """How many measurements have each verdict; empty without measurements."""
    if speeds.empty:
        return []
    different = speeds["verdict"].str.startswith("different")
    counts = {
        "faster": (different & (speeds["ratio"] > 1)).sum(),
        "slower": (different & (speeds["ratio"] < 1)).sum(),
        "equally fast": (speeds["verdict"] == "equivalent").sum(),
    }
    counts["undecided"] = len(speeds) - sum(counts.values())
    parts = join_words([f"{n} {verdict}" for verdict, n in counts.items() if n])
    return [f"Of {format_count(len(speeds), 'measurement')} in both experiments: {parts}."]


def _describe_resolution(speeds: pd.DataFrame) -> list[str]:
    """By how much the speeds of two runs of one experiment may differ by chance; empty without intervals."""
    reach = (speeds["ratio_ci_high"] / speeds["ratio"] - 1).astype(float).groupby(speeds["phase"]).median()
    values = [f"{format_percent(reach[phase])} in {name}" for phase, name in PHASES.items() if reach.get(phase, 0) > 0]
    if not values:
        return []
    return [f"Judging by the scatter over rounds, two runs of one experiment may differ by {join_words(values)}."]


def _summarize_accuracies(names: Names, accuracies: pd.DataFrame, same_images: bool, config: Config) -> str:
    if not same_images:
        return "The test images of the two experiments differ, so accuracies are not compared."
    rows = accuracies[accuracies["metric"] == "test_accuracy"]
    if rows.empty:
        return "No run was completed in both experiments, so there are no accuracies to compare."
    different = rows[rows["verdict"] == "different"]
    if len(different):
        clauses = [
            f"{format_signed(row.difference, row.metric)} for {_name_configuration(row, rows)} "
            f"({format_signed(row.ci_low, row.metric)} to {format_signed(row.ci_high, row.metric)})"
            for row in different.itertuples()
        ]
        return f"Test accuracy in {names[1]} differs by {join_words(clauses)}."
    if rows["verdict"].eq("equivalent").all():
        return f"Test accuracies are equivalent to within {format_share(config.statistics.equivalence_margin)}."
    if rows["verdict"].str.startswith("no verdict").all():
        return "With a single run in one of the experiments, no difference in test accuracy can be shown."
    return f"For {format_count(len(rows), 'configuration')} in both, no difference in test accuracy was detected."


def _name_configuration(row, among: pd.DataFrame) -> str:
    """Model and backend, with the execution mode and the precision if `among` has several."""
    further = [getattr(row, key) for key in ("execution", "precision") if among[key].nunique() > 1]
    return f"{row.model} on {row.backend}" + (f" ({', '.join(further)})" if further else "")


def settings_table(settings: pd.DataFrame, names: Names) -> Html:
    return _difference_table(settings, names, "Settings that differ.", "settings")


def environment_table(properties: pd.DataFrame, names: Names) -> Html:
    caption = "Recorded properties of hardware, software and execution that differ."
    return _difference_table(properties, names, caption, "properties")


def _difference_table(differences: pd.DataFrame, names: Names, caption: str, name: str) -> Html:
    heading, rows = differences.columns[0], []
    for row in differences.to_dict("records"):
        values = [MISSING if row[key] is None else abbreviate(str(row[key])) for key in ("a", "b")]
        rows.append({heading.capitalize(): row[heading], names[0]: values[0], names[1]: values[1]})
    return render_table(rows, caption, name)


def speeds_table(speeds: pd.DataFrame, names: Names, config: Config) -> Html:
    """A row per measurement of both experiments: speeds, their ratio with its interval, and the verdict."""
    interval = f"{format_percent(config.statistics.confidence)} interval"
    first, second = (f"{name}, images/s" for name in names)
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in CONFIGURATION_KEYS]),
            "Phase": PHASES[row.phase],
            "Batch size": format_number(row.batch_size),
            first: format_number(row.speed_a),
            second: format_number(row.speed_b),
            "Ratio": format_number(row.ratio),
            interval: format_bounds(row.ratio_ci_low, row.ratio_ci_high),
            "Verdict": row.verdict,
        }
        for row in speeds.itertuples()
    ]
    caption = (
        f"Speeds, geometric means over rounds, and their ratio, {names[1]} ÷ {names[0]}, with intervals that "
        "include the scatter of whole experiments."
    )
    return condensed_table(rows, caption, "speeds", ("Batch size", first, second, "Ratio", interval))


def accuracies_table(accuracies: pd.DataFrame, names: Names, config: Config, same_images: bool) -> Html:
    """A row per configuration of both experiments and metric: means, their difference, the tests and the verdict."""
    if not same_images:
        return render_paragraphs(["The test images of the two experiments differ."])
    interval = f"{format_percent(config.statistics.confidence)} interval"
    first, second = (f"{name} (runs)" for name in names)
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in CONFIGURATION_KEYS]),
            "Metric": row.metric.replace("top5", "top-5").replace("_", " "),
            first: f"{format_share(row.mean_a)} ({row.n_a})",
            second: f"{format_share(row.mean_b)} ({row.n_b})",
            "Difference": format_signed(row.difference, row.metric),
            interval: format_bounds(row.ci_low, row.ci_high, partial(format_signed, metric=row.metric)),
            "p different": format_number(row.p_value_adjusted),
            "p equivalent": format_number(row.p_equivalence_adjusted),
            "Verdict": row.verdict,
        }
        for row in accuracies.itertuples()
    ]
    caption = (
        f"Means over completed runs and their difference, {names[1]} − {names[0]}. p-values are those of Welch's t "
        "test and of the two one-sided tests for a difference smaller than "
        f"{format_share(config.statistics.equivalence_margin)}, after Holm's correction."
    )
    numbers = (first, second, "Difference", interval, "p different", "p equivalent")
    return condensed_table(rows, caption, "accuracies", numbers)


def describe_excluded(excluded: list[set[tuple]], names: Names) -> list[str]:
    """A sentence per experiment about the configurations that failed parity."""
    return [
        f"Not compared, because parity failed in {name}: {_list_configurations(configurations)}."
        for name, configurations in zip(names, excluded, strict=True)
        if configurations
    ]


def describe_unmatched(unmatched: list[set[tuple]], names: Names) -> list[str]:
    """A sentence per experiment about the configurations that only it has measured."""
    sentences = [
        f"Only in {name}: {_list_configurations(configurations)}."
        for name, configurations in zip(names, unmatched, strict=True)
        if configurations
    ]
    return sentences or ["Both experiments measured the same configurations."]


def _list_configurations(configurations: set[tuple]) -> str:
    return join_words(sorted(" · ".join(keys) for keys in configurations))
