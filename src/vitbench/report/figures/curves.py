"""What happens over time: epochs, wall time, and the jobs of an experiment."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vitbench.analysis.startup import busy_and_idle_seconds
from vitbench.formatting import format_number, format_share
from vitbench.report.figures import style
from vitbench.report.figures.style import (
    COLOURS,
    INK,
    MUTED,
    PAPER,
    Drawn,
    backend_style,
    empty_figure,
    finish_axes,
    group_panels,
    new_figure,
    order_backends,
)

_FLOW = ("data", "init", "sample", "tune", "parity", "train", "throughput", "tables", "report")
_WIDTHS = (2.8, 1.9, 1.1)  # each thinner than the one beneath it, so that equal curves are all seen
MOST_LINES = 5  # seeds with a line of their own


@style.styled
def learning_curves(epochs: pd.DataFrame, narrow: bool = False) -> Drawn:
    """Loss and top-5 accuracy of `tables/epochs` over epochs: a thick line at the mean, a thin one per seed.

    Of more than five seeds there is the range that they span instead. Dashed is training (with dropout and
    augmentation), solid is validation; a row per model. A seed that ended early, since it diverged, is in no mean.
    """
    if epochs.empty:
        return empty_figure("There is no completed run, so there are no learning curves.", narrow)
    groups, columns = group_panels(epochs), 1 if narrow else 2
    figure = new_figure(narrow, 2.7 * len(groups) * (2 // columns) + 0.6)
    panels = iter(figure.subplots(len(groups) * 2 // columns, columns, squeeze=False).ravel())
    told: list[str] = []
    dashed: Any = (0, (3, 1.5))
    for title, frame in groups:
        for metric, words in (("loss", "loss"), ("top5_accuracy", "top-5 accuracy")):
            axes = next(panels)
            for backend, width in zip(order_backends(frame["backend"]), _WIDTHS, strict=False):
                of_backend = frame[frame["backend"] == backend]
                for column, dash in ((metric, dashed), (f"val_{metric}", "-")):
                    _curve(axes, of_backend, column, backend, dash, width)
                last = _mean(of_backend, [f"val_{metric}"])[f"val_{metric}"].dropna()
                if len(last):
                    when = f"{format_share(last.iloc[-1])} at epoch {last.index[-1]:.0f}"
                    told.append(f"{title} {backend} validation {words} {when}")
            axes.set(title=f"{title}: {words}", xlabel="epoch")
            axes.locator_params(axis="x", integer=True, nbins=6, min_n_ticks=1)
            finish_axes(axes, grid="y")
    dashes: dict[str, Any] = {"training": dashed, "validation": "-"}
    styles = [Line2D([], [], color=INK, linestyle=dash, label=split) for split, dash in dashes.items()]
    style.legend(figure, [*style.handles(order_backends(epochs["backend"])), *styles], narrow)
    return figure, f"Learning curves. {'; '.join(told)}."


@style.styled
def accuracy_over_time(timed: pd.DataFrame, targets: dict[str, float], narrow: bool = False) -> Drawn:
    """Validation accuracy over wall_seconds, both as `vitbench.target.over_time` makes them; a panel per model.

    targets: model → the accuracy that a line marks.
    """
    if timed.empty:
        return empty_figure("There is no completed run, so there is no accuracy to draw over time.", narrow)
    groups = group_panels(timed)
    columns = 1 if narrow or len(groups) == 1 else 2
    rows = -(-len(groups) // columns)
    figure = new_figure(narrow, 3.0 * rows + 0.6)
    panels, told = figure.subplots(rows, columns, squeeze=False).ravel(), []
    for axes in panels[len(groups) :]:
        axes.set_visible(False)
    for axes, (title, frame) in zip(panels, groups, strict=False):
        for backend, width in zip(order_backends(frame["backend"]), _WIDTHS, strict=False):
            of_backend = frame[frame["backend"] == backend]
            _curve(axes, of_backend, "val_accuracy", backend, "-", width, over="wall_seconds")
            last = _mean(of_backend, ["wall_seconds", "val_accuracy"])
            if len(last):
                seconds, accuracy = last.iloc[-1]
                told.append(f"{title} {backend} {format_share(accuracy)} after {format_number(seconds)} s")
        if (target := targets.get(frame["model"].iloc[0])) is not None:
            axes.axhline(target, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
            told.append(f"the target of {title} is {format_share(target)}")
        axes.set(title=title, xlabel="seconds", ylabel="validation accuracy", xlim=(0, None))
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        finish_axes(axes, grid="y")
    line = Line2D([], [], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="target")
    style.legend(figure, [*style.handles(order_backends(timed["backend"])), *([line] if targets else [])], narrow)
    return figure, f"Validation accuracy over the time since a run's start: {'; '.join(told)}."


def _curve(axes: Axes, frame: pd.DataFrame, column: str, backend: str, dash, width: float, over: str = "epoch") -> None:
    """The mean over seeds, and each seed; or, of many seeds, the range that they span."""
    style, seeds = backend_style(backend) | {"linestyle": dash}, frame["seed"].nunique()
    mean = _mean(frame, [over, column])
    if 1 < seeds <= MOST_LINES:
        thin: dict = style | {"marker": None, "linewidth": 0.7, "alpha": 0.45}
        for _, one in frame.groupby("seed"):
            axes.plot(one[over], one[column], **thin)
    elif seeds > 1:
        by_epoch = frame.groupby("epoch")[column]
        low, high = (bound.reindex(mean.index) for bound in (by_epoch.min(), by_epoch.max()))
        axes.fill_between(mean[over], low, high, color=style["color"], linewidth=0, alpha=0.18)
    size = 2 + 1.6 * width if len(mean) <= 12 else 0
    axes.plot(mean[over], mean[column], **style, linewidth=width, markersize=size)


def _mean(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The means by epoch over the seeds that came to the last one."""
    last = frame.groupby("seed")["epoch"].transform("max")
    whole = frame[last == frame["epoch"].max()]
    return whole.groupby(whole["epoch"].rename("number"))[columns].mean()


@style.styled
def timeline(jobs: pd.DataFrame, narrow: bool = False) -> Drawn:
    """When each command of `tables/jobs` ran, seconds from the first, a line per step, coloured by backend."""
    if jobs.empty:
        return empty_figure("No command said when it ran.", narrow)
    began, ended = (pd.to_datetime(jobs[column], format="ISO8601") for column in ("started_at", "finished_at"))
    begins = (began - began.min()).dt.total_seconds()
    seconds = (ended - began).dt.total_seconds()
    steps = sorted(set(jobs["step"]), key=lambda step: (_FLOW.index(step) if step in _FLOW else len(_FLOW), step))
    figure = new_figure(narrow, 0.3 * len(steps) + 1.3)
    axes = figure.subplots()
    for begin, length, step, backend in zip(begins, seconds, jobs["step"], jobs["backend"], strict=True):
        colour = COLOURS.get(backend, MUTED)
        axes.barh(steps.index(step), length, 0.72, begin, facecolor=colour, edgecolor=PAPER, linewidth=0.6)
    axes.set(yticks=range(len(steps)), yticklabels=steps, ylim=(len(steps) - 0.4, -0.6), xlabel="seconds")
    axes.locator_params(axis="x", nbins=5 if narrow else 10)
    finish_axes(axes, grid="x")
    backends = [Patch(facecolor=COLOURS[b], label=b) for b in order_backends(jobs["backend"]) if b in COLOURS]
    others = [Patch(facecolor=MUTED, label="no backend")] if jobs["backend"].isna().any() else []
    style.legend(figure, [*backends, *others], narrow)
    busy, idle = busy_and_idle_seconds(jobs)
    by_step = seconds.groupby(jobs["step"]).sum()
    told = ", ".join(f"{step} {format_number(by_step[step])} s" for step in steps)
    return figure, f"{format_number(busy)} s in which commands ran, {format_number(idle)} s between them: {told}."
