"""Accuracies and speeds side by side: points per seed, bars per measurement, ratios of two experiments."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vitbench.formatting import format_number, format_spread
from vitbench.report.figures.style import (
    COLOURS,
    EXECUTIONS,
    FILL_ALPHA,
    INK,
    LINE_STYLES,
    MUTED,
    OUT_OF_MEMORY,
    FigureWithAlt,
    add_legend,
    add_note,
    apply_style,
    backend_handles,
    backend_style,
    empty_figure,
    finish_axes,
    format_ticks,
    group_panels,
    new_figure,
    order_backends,
)
from vitbench.report.speed_summary import PHASES


@apply_style
def draw_accuracy(runs: pd.DataFrame, narrow: bool = False) -> FigureWithAlt:
    """Test accuracy (0–1) of `tables/runs`: a point per seed and a bar at the mean; a row per model and backend."""
    is_completed = (runs["status"] == "completed") & runs["test_accuracy"].notna()
    if not is_completed.any():
        return empty_figure("No run completed, so there is no accuracy to draw.", narrow)
    groups = group_panels(runs)
    counts = [frame["backend"].nunique() for _, frame in groups]
    figure = new_figure(narrow, sum(0.42 * n + 0.85 for n in counts) + 0.25)
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[n + 1 for n in counts])[:, 0]
    phrases = []
    for axes, (title, frame) in zip(panels, groups, strict=True):
        backends = order_backends(frame["backend"])
        for row, backend in enumerate(backends):
            phrases += _draw_seeds(axes, row, backend, title, frame[frame["backend"] == backend])
        axes.set(title=title, yticks=range(len(backends)), yticklabels=backends, ylim=(len(backends) - 0.5, -0.5))
        finish_axes(axes, grid="x")
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4 if narrow else 8)
    panels[-1].set_xlabel("test accuracy")
    return figure, f"Test accuracy, mean ± standard deviation (number of seeds): {'; '.join(phrases)}."


def _draw_seeds(axes: Axes, row: int, backend: str, title: str, runs: pd.DataFrame) -> list[str]:
    """Draws the runs of a backend as one row of `axes` and returns their phrases of the text alternative."""
    is_completed = (runs["status"] == "completed") & runs["test_accuracy"].notna()
    accuracies = runs.loc[is_completed, "test_accuracy"].tolist()
    other_states = [f"{n} {status}" for status, n in runs.loc[~is_completed, "status"].value_counts().items()]
    phrases, note = [], list(other_states)
    if accuracies:
        style = {"s": 60, "linewidth": 0, "legend": False, **backend_style(backend)}
        sns.scatterplot(x=accuracies, y=[row] * len(accuracies), ax=axes, **style)
        phrases.append(f"{title} on {backend} {format_spread(accuracies)} ({len(accuracies)})")
        note.insert(0, format_spread(accuracies))
    if len(accuracies) > 1:
        axes.plot([np.mean(accuracies)] * 2, [row - 0.32, row + 0.32], color=INK, linewidth=1.6)
    if other_states:
        phrases.append(f"{title} on {backend}: {', '.join(other_states)}")
    add_note(axes, 1.02, row, "\n".join(note), transform=axes.get_yaxis_transform())
    return phrases


@apply_style
def draw_throughput(throughput: pd.DataFrame, narrow: bool = False) -> FigureWithAlt:
    """Images per second of `tables/throughput`: training and inference, execution modes side by side.

    One batch size gives bars from zero; several give lines over the batch size.
    """
    done = throughput[(throughput["status"] == "completed") & throughput["images_per_second"].notna()]
    if done.empty:
        return empty_figure("No throughput measurement completed, so there is no speed to draw.", narrow)
    panels = [
        (f"{title}: {phase_name}", frame[(frame["phase"] == phase) | frame["phase"].isna()])
        for title, frame in group_panels(throughput, ["model", "precision"])
        for phase, phase_name in PHASES.items()
        if ((frame["phase"] == phase) & (frame["status"] == "completed")).any()
    ]
    several_sizes, columns = done["batch_size"].nunique() > 1, 1 if narrow else 2
    bars = [len(frame.drop_duplicates(["backend", "execution"])) for _, frame in panels[::columns]]
    heights = [2.2 if several_sizes else 0.27 * n + 0.25 for n in bars]
    figure = new_figure(narrow, sum(heights) + 0.75 * len(heights) + 0.4)
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, frame) in zip(grid, panels, strict=False):
        (_draw_speed_lines if several_sizes else _draw_speed_bars)(axes, frame)
        axes.set_title(title)
    executions = sorted(done["execution"].unique(), key=EXECUTIONS.index)
    if several_sizes:
        lines = [Line2D([], [], color=INK, linestyle=LINE_STYLES[e], label=e) for e in executions]
        if (throughput["status"] == "out_of_memory").any():
            lines.append(Line2D([], [], color=INK, linestyle="", label="out of memory", **OUT_OF_MEMORY))
        add_legend(figure, [*backend_handles(order_backends(done["backend"])), *lines], narrow)
    elif len(executions) > 1:
        fills = [Patch(facecolor=to_rgba(INK, FILL_ALPHA[e]), edgecolor=INK, label=e) for e in executions]
        add_legend(figure, fills, narrow)
    return figure, f"Images per second: {'; '.join(_speed_phrases(throughput, done))}."


def _speed_phrases(throughput: pd.DataFrame, done: pd.DataFrame) -> list[str]:
    """The speeds for the text alternative, per model from fast to slow, then what did not complete."""
    order = ["model", "phase", "batch_size", "images_per_second"]
    phrases = [
        f"{row.model} {PHASES[row.phase]} {row.backend} {row.execution} batch {row.batch_size:.0f}: "
        f"{format_number(row.images_per_second)}"
        for row in done.sort_values(order, ascending=[True, False, True, False]).itertuples()
    ]
    for row in throughput[throughput["status"] != "completed"].itertuples():
        measurement = "" if pd.isna(row.batch_size) else f"{PHASES[row.phase]} batch {row.batch_size:.0f} "
        phrases.append(f"{row.model} {measurement}{row.backend} {row.execution}: {row.status}")
    return phrases


def _draw_speed_bars(axes: Axes, frame: pd.DataFrame) -> None:
    backends = order_backends(frame["backend"])
    position, ticks = 0.0, []
    for backend in backends:
        rows = frame[frame["backend"] == backend].sort_values("execution", key=lambda e: e.map(EXECUTIONS.index))
        ticks.append(position + (len(rows) - 1) / 2)
        colour = COLOURS.get(backend, MUTED)
        for row in rows.itertuples():
            fill = to_rgba(colour, FILL_ALPHA[row.execution])
            axes.barh(position, row.images_per_second, 0.84, facecolor=fill, edgecolor=colour, linewidth=1)
            if row.status == "completed":
                interval = [row.images_per_second_ci_low, row.images_per_second_ci_high]
                if not pd.isna(interval[0]):
                    axes.plot(interval, [position, position], color=INK, linewidth=1.4)
                end = np.nanmax([row.images_per_second, interval[1]])
                add_note(axes, end, position, f" {format_number(row.images_per_second)}")
            else:
                add_note(axes, 0, position, f" {row.execution}: {row.status}")
            position += 1
        position += 0.5
    axes.set(yticks=ticks, yticklabels=backends, ylim=(position - 0.8, -0.7))
    axes.set(xlabel="images per second", xlim=(0, frame["images_per_second"].max() * 1.22))  # room for the notes
    axes.locator_params(axis="x", nbins=4)
    format_ticks(axes, "x")
    finish_axes(axes, grid="x")


def _draw_speed_lines(axes: Axes, frame: pd.DataFrame) -> None:
    done = frame[frame["status"] == "completed"].sort_values("batch_size")
    for (backend, execution), rows in done.groupby(["backend", "execution"]):
        style = {"linestyle": LINE_STYLES[execution], **backend_style(backend)}
        axes.plot(rows["batch_size"], rows["images_per_second"], **style)
    for (backend, _), rows in frame[frame["status"] == "out_of_memory"].groupby(["backend", "execution"]):
        axes.plot(rows["batch_size"].min(), 0, **backend_style(backend) | OUT_OF_MEMORY, clip_on=False)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="batch size", ylabel="images per second", ylim=(0, done["images_per_second"].max() * 1.08))
    sizes = sorted(frame["batch_size"].dropna().unique())
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    format_ticks(axes, "y")
    finish_axes(axes, grid="y")


@apply_style
def draw_ratios(speeds: pd.DataFrame, names: tuple[str, str], narrow: bool = False) -> FigureWithAlt:
    """How many times as fast the second experiment is as the first, with intervals; a row per measurement.

    speeds: as `vitbench.analysis.comparison.compare_speeds` returns it. names: of the two experiments.
    """
    if speeds.empty:
        return empty_figure("No measurement was completed in both, so there are no speeds to compare.", narrow)
    varying = [key for key in ("precision", "execution", "batch_size") if speeds[key].nunique() > 1]
    figure = new_figure(narrow, 0.28 * len(speeds) + 1.4)
    axes = figure.subplots()
    labels, phrases = [], []
    for position, row in enumerate(speeds.itertuples()):
        values = [getattr(row, key) for key in varying]
        words = [value if isinstance(value, str) else format_number(value) for value in values]
        labels.append(" · ".join([row.model, row.backend, *words, PHASES[row.phase]]))
        if not pd.isna(row.ratio_ci_low):
            interval = [row.ratio_ci_low, row.ratio_ci_high]
            axes.plot(interval, [position, position], color=COLOURS.get(row.backend, MUTED), linewidth=1.6)
        axes.plot(row.ratio, position, linestyle="", markersize=7, **backend_style(row.backend))
        phrases.append(f"{labels[-1]} {format_number(row.ratio)}")
    axes.axvline(1, color=INK, linewidth=1)
    axes.locator_params(axis="x", nbins=4 if narrow else 8)
    axes.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
    axes.set_xlabel(f"images/s, {names[1]} ÷ {names[0]}")
    finish_axes(axes, grid="x")
    add_legend(figure, backend_handles(order_backends(speeds["backend"])), narrow)
    return figure, f"Speed of {names[1]} over that of {names[0]}: {'; '.join(phrases)}."
