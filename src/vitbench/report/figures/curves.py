"""What happens over time: the epochs of the runs, their wall time, and the jobs of an experiment."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vitbench.analysis.startup import busy_and_idle_seconds
from vitbench.formatting import format_number, format_share
from vitbench.report.figures.style import (
    COLOURS,
    INK,
    MUTED,
    PAPER,
    FigureWithAlt,
    add_legend,
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

_STEPS = ("data", "init", "sample", "tune", "parity", "train", "throughput", "tables", "report")
_TRAINING: Any = (0, (3, 1.5))  # line style of training values; validation is solid
_TARGET: dict[str, Any] = {"color": MUTED, "linewidth": 1, "linestyle": (0, (4, 3))}
MAX_SEED_LINES = 5  # of more seeds only the range is drawn


@apply_style
def draw_learning_curves(epochs: pd.DataFrame, narrow: bool = False) -> FigureWithAlt:
    """Loss and top-5 accuracy of `tables/epochs` over epochs, a row per model: a thick mean, a thin line per seed.

    More than five seeds are drawn as the range that they span. Training values, with dropout and augmentation, are
    dashed; validation values are solid. The mean leaves out a seed that ended early because it diverged.
    """
    if epochs.empty:
        return empty_figure("No run completed, so there are no learning curves.", narrow)
    groups, columns = group_panels(epochs), 1 if narrow else 2
    figure = new_figure(narrow, 2.7 * len(groups) * (2 // columns) + 0.6)
    panels = iter(figure.subplots(len(groups) * 2 // columns, columns, squeeze=False).ravel())
    phrases = []
    for title, frame in groups:
        for metric, metric_name in (("loss", "loss"), ("top5_accuracy", "top-5 accuracy")):
            axes = next(panels)
            for backend, width, rows in _backend_lines(frame):
                _draw_curve(axes, rows, metric, backend, _TRAINING, width)
                _draw_curve(axes, rows, f"val_{metric}", backend, "-", width)
                means = _mean_over_seeds(rows, [f"val_{metric}"])[f"val_{metric}"].dropna()
                if len(means):
                    last = f"{format_share(means.iloc[-1])} at epoch {means.index[-1]:.0f}"
                    phrases.append(f"{title} {backend} validation {metric_name} {last}")
            axes.set(title=f"{title}: {metric_name}", xlabel="epoch")
            axes.locator_params(axis="x", integer=True, nbins=6, min_n_ticks=1)
            finish_axes(axes, grid="y")
    splits = [
        Line2D([], [], color=INK, linestyle=_TRAINING, label="training"),
        Line2D([], [], color=INK, linestyle="-", label="validation"),
    ]
    add_legend(figure, [*backend_handles(order_backends(epochs["backend"])), *splits], narrow)
    return figure, f"Learning curves. {'; '.join(phrases)}."


@apply_style
def draw_accuracy_over_time(timed: pd.DataFrame, targets: dict[str, float], narrow: bool = False) -> FigureWithAlt:
    """Validation accuracy over the wall time of the runs, a panel per model.

    timed: as `vitbench.analysis.time_to_accuracy.add_wall_seconds` returns it. targets: model → target accuracy, which
    a dashed line marks.
    """
    if timed.empty:
        return empty_figure("No run completed, so there is no accuracy to draw over time.", narrow)
    groups = group_panels(timed)
    columns = 1 if narrow or len(groups) == 1 else 2
    row_count = -(-len(groups) // columns)
    figure = new_figure(narrow, 3.0 * row_count + 0.6)
    panels, phrases = figure.subplots(row_count, columns, squeeze=False).ravel(), []
    for axes in panels[len(groups) :]:
        axes.set_visible(False)
    for axes, (title, frame) in zip(panels, groups, strict=False):
        for backend, width, rows in _backend_lines(frame):
            _draw_curve(axes, rows, "val_accuracy", backend, "-", width, over="wall_seconds")
            means = _mean_over_seeds(rows, ["wall_seconds", "val_accuracy"])
            if len(means):
                seconds, accuracy = means.iloc[-1]
                phrases.append(f"{title} {backend} {format_share(accuracy)} after {format_number(seconds)} s")
        if (target := targets.get(frame["model"].iloc[0])) is not None:
            axes.axhline(target, **_TARGET)
            phrases.append(f"the target of {title} is {format_share(target)}")
        axes.set(title=title, xlabel="seconds", ylabel="validation accuracy", xlim=(0, None))
        axes.locator_params(axis="x", nbins=5)
        format_ticks(axes, "x")
        finish_axes(axes, grid="y")
    handles = backend_handles(order_backends(timed["backend"]))
    if targets:
        handles.append(Line2D([], [], **_TARGET, label="target"))
    add_legend(figure, handles, narrow)
    return figure, f"Validation accuracy over the time since a run's start: {'; '.join(phrases)}."


def _backend_lines(frame: pd.DataFrame) -> list[tuple[str, float, pd.DataFrame]]:
    """Each backend, its line width and its rows. A line is thinner than those beneath it, so equal curves all show."""
    backends = order_backends(frame["backend"])
    widths = np.linspace(2.8, 1.1, len(backends))
    return [(b, float(width), frame[frame["backend"] == b]) for b, width in zip(backends, widths, strict=True)]


def _draw_curve(
    axes: Axes, frame: pd.DataFrame, column: str, backend: str, dash: Any, width: float, over: str = "epoch"
) -> None:
    """Draws the mean over seeds and each seed or, if there are many, the range that they span."""
    style: dict = backend_style(backend) | {"linestyle": dash}
    seeds, mean = frame["seed"].nunique(), _mean_over_seeds(frame, [over, column])
    if 1 < seeds <= MAX_SEED_LINES:
        thin = style | {"marker": None, "linewidth": 0.7, "alpha": 0.45}
        for _, run in frame.groupby("seed"):
            axes.plot(run[over], run[column], **thin)
    elif seeds > 1:
        by_epoch = frame.groupby("epoch")[column]
        low, high = (bound.reindex(mean.index) for bound in (by_epoch.min(), by_epoch.max()))
        axes.fill_between(mean[over], low, high, color=style["color"], linewidth=0, alpha=0.18)
    size = 2 + 1.6 * width if len(mean) <= 12 else 0
    axes.plot(mean[over], mean[column], **style, linewidth=width, markersize=size)


def _mean_over_seeds(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The means by epoch over the seeds that reached the last epoch."""
    last = frame.groupby("seed")["epoch"].transform("max")
    complete = frame[last == frame["epoch"].max()]
    return complete.groupby(complete["epoch"].rename("number"))[columns].mean()


@apply_style
def draw_timeline(jobs: pd.DataFrame, narrow: bool = False) -> FigureWithAlt:
    """When each command of `tables/jobs` ran, in seconds from the first; a row per step, coloured by backend."""
    if jobs.empty:
        return empty_figure("No command recorded when it ran.", narrow)
    starts, ends = (pd.to_datetime(jobs[column], format="ISO8601") for column in ("started_at", "finished_at"))
    offsets = (starts - starts.min()).dt.total_seconds()
    seconds = (ends - starts).dt.total_seconds()
    steps = sorted(set(jobs["step"]), key=lambda step: (_STEPS.index(step) if step in _STEPS else len(_STEPS), step))
    figure = new_figure(narrow, 0.3 * len(steps) + 1.3)
    axes = figure.subplots()
    for offset, length, step, backend in zip(offsets, seconds, jobs["step"], jobs["backend"], strict=True):
        colour = COLOURS.get(backend, MUTED)
        axes.barh(steps.index(step), length, 0.72, offset, facecolor=colour, edgecolor=PAPER, linewidth=0.6)
    axes.set(yticks=range(len(steps)), yticklabels=steps, ylim=(len(steps) - 0.4, -0.6), xlabel="seconds")
    axes.locator_params(axis="x", nbins=5 if narrow else 10)
    format_ticks(axes, "x")
    finish_axes(axes, grid="x")
    handles = [Patch(facecolor=COLOURS[b], label=b) for b in order_backends(jobs["backend"]) if b in COLOURS]
    if jobs["backend"].isna().any():
        handles.append(Patch(facecolor=MUTED, label="no backend"))
    add_legend(figure, handles, narrow)
    busy, idle = busy_and_idle_seconds(jobs)
    by_step = seconds.groupby(jobs["step"]).sum()
    totals = ", ".join(f"{step} {format_number(by_step[step])} s" for step in steps)
    return figure, f"Commands ran for {format_number(busy)} s, with {format_number(idle)} s between them: {totals}."
