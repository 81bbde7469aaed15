"""Tables of the configurations, their accuracies, and whether backends differ."""

from functools import partial

import pandas as pd
from markupsafe import Markup, escape

from vitbench.analysis.statistics import METRICS
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies, time_to_target
from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_count, format_number, format_percent, format_share, format_spread
from vitbench.report.html import Html, abbreviate, badge, render_table
from vitbench.report.speed_summary import PHASES
from vitbench.report.tables.rows import (
    KEYS,
    condensed_table,
    configuration_cells,
    format_bounds,
    format_signed,
    group_configurations,
    row_cells,
)


def results_table(runs: pd.DataFrame, parity: pd.DataFrame, summaries: pd.DataFrame, config: Config) -> Html:
    """One row per configuration, completed or not, over its seeds. A configuration that failed parity is marked."""
    interval = f"{format_percent(config.statistics.confidence)} interval"
    accuracies = summaries[summaries["metric"] == "test_accuracy"].set_index(KEYS)
    failed_parity = {(r.model, r.backend) for r in parity.itertuples() if not r.passed and r.execution != "native"}
    rows = []
    for keys, group in group_configurations(runs, config):
        done = group[group["status"] == "completed"]
        rows.append(
            {
                **configuration_cells(keys, group["plan_measured"].iloc[0]),
                "Status": _status_cell(group, keys[:2] in failed_parity or done["error"].notna().any()),
                "n": str(len(done)),
                "Test accuracy": format_spread(done["test_accuracy"]),
                interval: _accuracy_interval(accuracies, keys),
                "Top-5 accuracy": format_spread(done["test_top5_accuracy"]),
                "Training images/s": format_number(done["train_images_per_second"].median()),
                "Epoch,\N{NO-BREAK SPACE}s": format_number(done["epoch_seconds_median"].median()),
                "Parameters": format_number(group["parameters"].max()),
            }
        )
    caption = (
        "One row per configuration. Accuracies are mean ± standard deviation over the n completed runs, one per seed. "
        "The interval is that of the mean test accuracy; a single seed has none. Training images/s and epoch time are "
        "medians over whole epochs, including the input pipeline."
    )
    numbers = ("n", "Test accuracy", interval, "Top-5 accuracy", "Training images/s", "Epoch,\N{NO-BREAK SPACE}s")
    return condensed_table(rows, caption, "results", numeric=(*numbers, "Parameters"))


def _status_cell(group: pd.DataFrame, failed_parity: bool) -> Markup:
    """How the runs of a configuration ended: one badge per status, with a number if not all runs have it."""
    counts = group["status"].value_counts()
    states = [badge(s) if n == len(group) else badge(s) + f" {n} of {len(group)}" for s, n in counts.items()]
    if failed_parity:
        states.append(badge("parity failed"))
    if resumed := (group["resumptions"] > 0).sum():
        states.append(escape(f"{resumed} resumed"))
    return Markup(", ").join(states)


def _accuracy_interval(accuracies: pd.DataFrame, keys: tuple) -> str:
    if keys not in accuracies.index or pd.isna(accuracies.loc[keys, "ci_low"]):
        return MISSING
    row = accuracies.loc[keys]
    return format_bounds(max(0, row["ci_low"]), min(1, row["ci_high"]), format_share)


def unfinished_table(runs: pd.DataFrame, throughput: pd.DataFrame) -> Html:
    """The runs and measurements that did not complete, with the reason; empty if all completed."""
    jobs = ((runs, "run"), (throughput, "throughput"))
    unfinished = pd.concat([frame[frame["status"] != "completed"].assign(job=name) for frame, name in jobs])
    if unfinished.empty:
        return Html("")
    rows = [
        {
            **row_cells(row),
            "Job": _job(row),
            "Status": badge(row.status),
            "Reason": abbreviate(row.error if isinstance(row.error, str) else MISSING),
        }
        for row in unfinished.itertuples()
    ]
    return render_table(rows, "Jobs that did not complete.", "unfinished", headers=2)


def _job(row) -> str:
    if row.job == "run":
        return f"run, seed {row.seed:.0f}"
    return row.job if pd.isna(row.batch_size) else f"{row.job}, {PHASES[row.phase]}, batch size {row.batch_size:.0f}"


def failures_list(failures: pd.DataFrame) -> Html:
    """Each command that failed, with the end of its log; empty if none failed or left a log."""
    failed = failures[(failures["status"] != "gated") & failures["last_lines"].astype(bool)]
    items = [
        Markup("<details><summary>{} {}</summary><pre>{}</pre></details>").format(
            badge(row.status), f"{row.step} {row.names}", row.last_lines
        )
        for row in failed.itertuples()
    ]
    return Html(f"<p>The ends of their logs:</p>{Markup().join(items)}" if items else "")


def comparisons_table(comparisons: pd.DataFrame, config: Config) -> Html:
    """The difference of the accuracies of each pair of backends, with its interval, p-values and verdict."""
    interval = f"{format_percent(config.statistics.confidence)} interval"
    rows = [
        {
            "Model": row.model,
            "Pair": f"{row.backend_a} − {row.backend_b}",
            "Execution": row.execution,
            "Precision": row.precision,
            "Metric": row.metric.replace("top5", "top-5").replace("_", " "),
            "n": format_number(row.n),
            "Difference": format_signed(row.difference, row.metric),
            interval: format_bounds(row.ci_low, row.ci_high, partial(format_signed, metric=row.metric)),
            "p different": format_number(row.p_value_adjusted),
            "p equivalent": format_number(row.p_equivalence_adjusted),
            "Verdict": row.verdict if isinstance(row.verdict, str) else MISSING,
        }
        for row in comparisons[comparisons["metric"].isin(METRICS)].itertuples()
    ]
    caption = (
        "Pairs of backends, paired by seed. n is the number of seeds that both completed; one seed gives no verdict. "
        "Different: the difference is shown not to be zero. Equivalent: it is shown to be smaller than "
        f"{format_share(config.statistics.equivalence_margin)}. p-values are those of the t test over seeds and test "
        "images and of the two one-sided tests, after Holm's correction."
    )
    numbers = ("n", "Difference", interval, "p different", "p equivalent")
    return condensed_table(rows, caption, "comparisons", numbers)


def target_table(runs: pd.DataFrame, epochs: pd.DataFrame, config: Config) -> Html:
    """The time that each configuration took to reach the target accuracy."""
    timed = add_wall_seconds(epochs, runs)
    times = time_to_target(timed, target_accuracies(timed, config.report.target_accuracy))
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in KEYS]),
            "Target": format_share(row.target),
            "Reached by": f"{row.reached} of {format_count(row.runs, 'run')}",
            "Epochs": format_number(row.epochs),
            "Seconds": format_number(row.seconds),
            "Range": _format_range(row.seconds_least, row.seconds_largest),
        }
        for row in times.itertuples()
    ]
    target = "the configured one"
    if not config.report.target_accuracy:
        target = "the highest whole percentage that all runs of the model reach"
    caption = (
        f"Time to the target validation accuracy, which is {target}. Epochs and seconds are medians over the runs that "
        "reached it, counted from the start of the process, with import and first step. The range is that of the "
        "seconds."
    )
    return condensed_table(rows, caption, "target", ("Target", "Epochs", "Seconds", "Range"))


def _format_range(shortest: float, longest: float) -> str:
    return format_number(shortest) if shortest == longest else format_bounds(shortest, longest)
