"""What the report on two experiments holds: its sentences, and its tables."""

import pandas as pd

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
from vitbench.report.html import Html, abbreviate, render_table
from vitbench.report.summary import PHASES, main_model
from vitbench.report.tables.rows import KEYS, condensed_table, configuration_cells, format_signed


def summarize_comparison(
    names: tuple[str, str],
    speeds: pd.DataFrame,
    accuracies: pd.DataFrame,
    differences: tuple[pd.DataFrame, pd.DataFrame],
    same_images: bool,
    config: Config,
) -> list[str]:
    """Which speeds and accuracies of the second experiment, whose config it is, really differ from the first's.

    Then how many of all measurements do, and what else differs.
    """
    settings, properties = (format_count(len(table), noun) for table, noun in zip(differences, _NOUNS, strict=True))
    return [
        _of_speeds(names, speeds, config),
        *_of_all(speeds),
        _of_accuracies(names, accuracies, same_images),
        f"{settings} of the config and {properties} of hardware or software differ; whatever differs here may be why.",
    ]


_NOUNS = ("setting", "recorded value")


def _of_speeds(names: tuple[str, str], speeds: pd.DataFrame, config: Config) -> str:
    """Of the main model, as it is meant to be used: the tuned execution, the config's precision and batch size."""
    model = main_model(config)
    found = speeds[speeds["model"] == model]
    for key, wanted in (
        ("execution", ["tuned", "published"]),
        ("precision", config.precisions),
        ("batch_size", [config.training.batch_size, *sorted(found["batch_size"].unique(), reverse=True)]),
    ):
        there = next((value for value in wanted if (found[key] == value).any()), None)
        found = found[found[key] == there]
    if found.empty:
        return f"No speed of {model} was measured in both {names[0]} and {names[1]}."
    clauses = []
    for phase, what in PHASES.items():
        said: dict[str, list[str]] = {}
        rows = found[found["phase"] == phase].sort_values("verdict", key=lambda v: v.map(_certainty), kind="stable")
        for row in rows.itertuples():
            said.setdefault(_how_fast(row), []).append(row.backend)
        clauses += [f"{what} {join_words([f'{how} on {join_words(on)}' for how, on in said.items()])}"] if said else []
    which = model if len(config.precisions) == 1 else f"{model} in {found['precision'].iloc[0]}"
    return f"In {names[1]}, compared with {names[0]}, {which} is: in {'; in '.join(clauses)}."


def _certainty(verdict: str) -> int:
    """What is decided comes first."""
    return 0 if verdict.startswith("different") else 1 if verdict == "equivalent" else 2


def _how_fast(row) -> str:
    if row.verdict == "equivalent":
        return "as fast"
    if not row.verdict.startswith("different"):
        return "not shown to be faster or slower"
    return f"{format_ratio(row.ratio)} as fast"


def _of_all(speeds: pd.DataFrame) -> list[str]:
    """How the verdicts on all measurements are spread, if they are more than the first sentence could tell."""
    different = speeds["verdict"].str.startswith("different")
    counts = {
        "faster": (different & (speeds["ratio"] > 1)).sum(),
        "slower": (different & (speeds["ratio"] < 1)).sum(),
        "as fast": (speeds["verdict"] == "equivalent").sum(),
    }
    counts["undecided"] = len(speeds) - sum(counts.values())
    told = join_words([f"{n} {what}" for what, n in counts.items() if n])
    return [f"Of all {format_count(len(speeds), 'measurement')} that are in both, {told}."] if len(speeds) else []


def _of_accuracies(names: tuple[str, str], accuracies: pd.DataFrame, same_images: bool) -> str:
    if not same_images:
        return "Their test images are not the same, so their accuracies are not compared."
    found = accuracies[accuracies["metric"] == "test_accuracy"]
    if found.empty:
        return "No run was completed in both, so there are no accuracies to compare."
    real = found[found["verdict"] == "different"]
    if len(real):
        clauses = [
            f"{format_signed(row.difference, row.metric)} for {_who(row, found)} ({format_share(row.ci_low)} to {format_share(row.ci_high)})"
            for row in real.itertuples()
        ]
        return f"Test accuracy in {names[1]} differs by {join_words(clauses)}."
    if found["verdict"].eq("equivalent").all():
        return "Test accuracies are equivalent."
    if found["verdict"].str.startswith("no verdict").all():
        return "Where one of the two has one run, no difference of test accuracy can be shown."
    return f"Of {format_count(len(found), 'contestant')} in both, none is shown to differ in test accuracy."


def _who(row, among: pd.DataFrame) -> str:
    """A contestant: model and backend, and execution and precision where `among` has several."""
    further = [getattr(row, key) for key in ("execution", "precision") if among[key].nunique() > 1]
    return f"{row.model} on {row.backend}" + (f" as {', '.join(further)}" if further else "")


def settings_table(settings: pd.DataFrame, names: tuple[str, str]) -> Html:
    return _two_columns(settings, names, "Settings that differ.", "settings")


def environment_table(properties: pd.DataFrame, names: tuple[str, str]) -> Html:
    caption = "Recorded properties of hardware, software and execution that differ between the jobs of both."
    return _two_columns(properties, names, caption, "properties")


def _two_columns(differing: pd.DataFrame, names: tuple[str, str], caption: str, name: str) -> Html:
    said = [[MISSING if v is None else abbreviate(str(v)) for v in (row.a, row.b)] for row in differing.itertuples()]
    rows = [
        {differing.columns[0].capitalize(): row[1], names[0]: one, names[1]: other}
        for row, (one, other) in zip(differing.itertuples(), said, strict=True)
    ]
    return render_table(rows, caption, name)


def speeds_table(speeds: pd.DataFrame, names: tuple[str, str], config: Config) -> Html:
    interval = f"{format_percent(config.statistics.confidence)} interval"
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in KEYS]),
            "Phase": PHASES[row.phase],
            "Batch size": format_number(row.batch_size),
            f"{names[0]}, images/s": format_number(row.median_a),
            f"{names[1]}, images/s": format_number(row.median_b),
            "Ratio": format_number(row.ratio),
            interval: MISSING
            if pd.isna(row.ratio_ci_low)
            else f"{format_number(row.ratio_ci_low)} to {format_number(row.ratio_ci_high)}",
            "Verdict": row.verdict,
        }
        for row in speeds.itertuples()
    ]
    caption = (
        f"Median speeds and their ratio, {names[1]} ÷ {names[0]}, with bootstrap intervals over timed blocks. What "
        "another process or another day would change is not in the interval."
    )
    numbers = ("Batch size", f"{names[0]}, images/s", f"{names[1]}, images/s", "Ratio", interval)
    return condensed_table(rows, caption, "speeds", numbers)


def accuracies_table(accuracies: pd.DataFrame, names: tuple[str, str], config: Config, same_images: bool) -> Html:
    if not same_images:
        return Html("<p>The test images are not the same.</p>")
    interval = f"{format_percent(config.statistics.confidence)} interval"
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in KEYS]),
            "Metric": row.metric.replace("top5", "top-5").replace("_", " "),
            f"{names[0]} (runs)": f"{format_share(row.mean_a)} ({row.n_a})",
            f"{names[1]} (runs)": f"{format_share(row.mean_b)} ({row.n_b})",
            "Difference": format_signed(row.difference, row.metric),
            interval: MISSING
            if pd.isna(row.ci_low)
            else f"{format_signed(row.ci_low, row.metric)} to {format_signed(row.ci_high, row.metric)}",
            "p different": format_number(row.p_value_adjusted),
            "p equivalent": format_number(row.p_equivalence_adjusted),
            "Verdict": row.verdict,
        }
        for row in accuracies.itertuples()
    ]
    caption = (
        f"Means over completed runs and their difference, {names[1]} − {names[0]}. The p-values are of Welch's t test "
        "and of the two one-sided tests for a difference smaller than "
        f"{format_share(config.statistics.equivalence_margin)}, both after Holm's correction."
    )
    numbers = (f"{names[0]} (runs)", f"{names[1]} (runs)", "Difference", interval, "p different", "p equivalent")
    return condensed_table(rows, caption, "accuracies", numbers)


def describe_excluded(unequal: list[set[tuple]], names: tuple[str, str]) -> list[str]:
    """Who is not compared."""
    return [
        f"Not compared, since in {name} parity failed: {join_words(sorted(' · '.join(keys) for keys in found))}."
        for name, found in zip(names, unequal, strict=True)
        if found
    ]


def describe_unmatched(only: list[set[tuple]], names: tuple[str, str]) -> list[str]:
    """Who was measured in one experiment alone."""
    said = [
        f"Only in {name}: {join_words(sorted(' · '.join(keys) for keys in found))}."
        for name, found in zip(names, only, strict=True)
        if found
    ]
    return said or ["Both measured the same contestants."]
