"""Accuracies and speeds, side by side."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vitbench.formatting import format_number, format_spread
from vitbench.report.figures import style
from vitbench.report.figures.style import (
    ALPHA,
    COLOURS,
    DASH,
    EXECUTIONS,
    INK,
    MUTED,
    TOO_LARGE,
    Drawn,
    add_note,
    backend_style,
    empty_figure,
    finish_axes,
    group_panels,
    new_figure,
    order_backends,
)


@style.styled
def accuracy(runs: pd.DataFrame, narrow: bool = False) -> Drawn:
    """Test accuracy (0–1) of `tables/runs`: a point per seed, a bar at the mean, a row per model × backend."""
    if not ((runs["status"] == "completed") & runs["test_accuracy"].notna()).any():
        return empty_figure("There is no completed run, so there is no accuracy to draw.", narrow)
    groups = group_panels(runs)
    counts = [frame["backend"].nunique() for _, frame in groups]
    figure = new_figure(narrow, sum(0.42 * n + 0.85 for n in counts) + 0.25)
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[n + 1 for n in counts])[:, 0]
    told = []
    for axes, (title, frame) in zip(panels, groups, strict=True):
        backends = order_backends(frame["backend"])
        done = frame[(frame["status"] == "completed") & frame["test_accuracy"].notna()]
        for row, backend in enumerate(backends):
            values = done.loc[done["backend"] == backend, "test_accuracy"].tolist()
            if values:
                sns.scatterplot(
                    x=values, y=[row] * len(values), ax=axes, s=60, linewidth=0, legend=False, **backend_style(backend)
                )
                told.append(f"{title} on {backend} {format_spread(values)} ({len(values)})")
            if len(values) > 1:
                axes.plot([np.mean(values)] * 2, [row - 0.32, row + 0.32], color=INK, linewidth=1.6)
            others = frame[(frame["backend"] == backend) & ~frame.index.isin(done.index)]
            lost = [f"{n} {status}" for status, n in others["status"].value_counts().items()]
            told += [f"{title} on {backend}: {', '.join(lost)}"] if lost else []
            note = "\n".join([format_spread(values)] * bool(values) + lost)
            add_note(axes, 1.02, row, note, transform=axes.get_yaxis_transform())
        axes.set(title=title, yticks=range(len(backends)), yticklabels=backends, ylim=(len(backends) - 0.5, -0.5))
        finish_axes(axes, grid="x")
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4 if narrow else 8)
    panels[-1].set_xlabel("test accuracy")
    return figure, f"Test accuracy, mean ± standard deviation (number of seeds): {'; '.join(told)}."


@style.styled
def throughput(throughput: pd.DataFrame, narrow: bool = False) -> Drawn:
    """Images per second of `tables/throughput`, training and inference, published beside tuned.

    Bars from zero for one batch size; lines over batch size for more.
    """
    done = throughput[(throughput["status"] == "completed") & throughput["images_per_second"].notna()]
    if done.empty:
        return empty_figure("No throughput measurement completed, so there is no speed to draw.", narrow)
    cells = [
        (f"{title}: {word}", frame[(frame["phase"] == phase) | frame["phase"].isna()])
        for title, frame in group_panels(throughput, ["model", "precision"])
        for phase, word in (("train", "training"), ("infer", "inference"))
        if ((frame["phase"] == phase) & (frame["status"] == "completed")).any()
    ]
    several, columns = done["batch_size"].nunique() > 1, 1 if narrow else 2
    bars = [len(frame.drop_duplicates(["backend", "execution"])) for _, frame in cells[::columns]]
    heights = [2.2 if several else 0.27 * n + 0.25 for n in bars]
    figure = new_figure(narrow, sum(heights) + 0.75 * len(heights) + 0.4)
    panels = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
    if len(panels) > len(cells):
        panels[-1].set_visible(False)
    for axes, (title, frame) in zip(panels, cells, strict=False):
        (_speed_lines if several else _speed_bars)(axes, frame)
        axes.set_title(title)
    executions = sorted(done["execution"].unique(), key=EXECUTIONS.index)
    if several:
        lines = [Line2D([], [], color=INK, linestyle=DASH[e], label=e) for e in executions]
        if (throughput["status"] == "out_of_memory").any():
            lines.append(Line2D([], [], color=INK, linestyle="", label="out of memory", **TOO_LARGE))
        style.legend(figure, [*style.handles(order_backends(done["backend"])), *lines], narrow)
    elif len(executions) > 1:
        style.legend(
            figure, [Patch(facecolor=to_rgba(INK, ALPHA[e]), edgecolor=INK, label=e) for e in executions], narrow
        )
    by = {"model": True, "phase": False, "batch_size": True, "images_per_second": False}
    told = [
        f"{r.model} {r.phase} {r.backend} {r.execution} batch {r.batch_size:.0f}: {format_number(r.images_per_second)}"
        for r in done.sort_values(list(by), ascending=list(by.values())).itertuples()
    ]
    lost = throughput[throughput["status"] != "completed"]
    told += [" ".join([r.model, *_measurement(r), r.backend, f"{r.execution}: {r.status}"]) for r in lost.itertuples()]
    return figure, f"Images per second: {'; '.join(told)}."


def _measurement(row) -> list[str]:
    """Phase and batch size, where there is one."""
    return [] if pd.isna(row.batch_size) else [row.phase, f"batch {row.batch_size:.0f}"]


def _speed_bars(axes: Axes, frame: pd.DataFrame) -> None:
    row, ticks = 0.0, []
    for backend in order_backends(frame["backend"]):
        of_backend = frame[frame["backend"] == backend].sort_values("execution", key=lambda e: e.map(EXECUTIONS.index))
        ticks.append(row + (len(of_backend) - 1) / 2)
        for bar in of_backend.itertuples():
            colour = COLOURS.get(backend, MUTED)
            inside = to_rgba(colour, ALPHA[bar.execution])
            axes.barh(row, bar.images_per_second, 0.84, facecolor=inside, edgecolor=colour, linewidth=1)
            known = bar.status == "completed"
            label = format_number(bar.images_per_second) if known else f"{bar.execution}: {bar.status}"
            reach = [bar.images_per_second_ci_low, bar.images_per_second_ci_high]
            if known and not pd.isna(reach[0]):
                axes.plot(reach, [row, row], color=INK, linewidth=1.4)
            add_note(axes, np.nanmax([bar.images_per_second, reach[1]]) if known else 0, row, f" {label}")
            row += 1
        row += 0.5
    axes.set(yticks=ticks, yticklabels=order_backends(frame["backend"]), ylim=(row - 0.8, -0.7))
    axes.set(xlabel="images per second", xlim=(0, frame["images_per_second"].max() * 1.22))
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _: format_number(value))
    finish_axes(axes, grid="x")


def _speed_lines(axes: Axes, frame: pd.DataFrame) -> None:
    done = frame[frame["status"] == "completed"].sort_values("batch_size")
    for (backend, execution), line in done.groupby(["backend", "execution"]):
        axes.plot(line["batch_size"], line["images_per_second"], linestyle=DASH[execution], **backend_style(backend))
    for (backend, _), lost in frame[frame["status"] == "out_of_memory"].groupby(["backend", "execution"]):
        axes.plot(lost["batch_size"].min(), 0, **backend_style(backend) | TOO_LARGE, clip_on=False)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="batch size", ylabel="images per second", ylim=(0, done["images_per_second"].max() * 1.08))
    sizes = sorted(frame["batch_size"].dropna().unique())
    axes.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    finish_axes(axes, grid="y")


@style.styled
def ratios(speeds: pd.DataFrame, names: tuple[str, str], narrow: bool = False) -> Drawn:
    """How many times as fast the second experiment is as the first, with intervals; a row per measurement.

    speeds: as `vitbench.compare.speeds` makes it. names: of the two experiments.
    """
    if speeds.empty:
        return empty_figure("No measurement was completed in both, so there are no speeds to compare.", narrow)
    vary = [key for key in ("precision", "execution", "batch_size") if speeds[key].nunique() > 1]
    figure = new_figure(narrow, 0.28 * len(speeds) + 1.4)
    axes = figure.subplots()
    labels, told = [], []
    for row, found in enumerate(speeds.itertuples()):
        values = [getattr(found, key) for key in vary]
        words = [
            found.model,
            found.backend,
            *(v if isinstance(v, str) else format_number(v) for v in values),
            found.phase,
        ]
        labels.append(" · ".join(words))
        reach = [found.ratio_ci_low, found.ratio_ci_high]
        if not pd.isna(reach[0]):
            axes.plot(reach, [row, row], color=COLOURS.get(found.backend, MUTED), linewidth=1.6)
        axes.plot(found.ratio, row, linestyle="", markersize=7, **backend_style(found.backend))
        told.append(f"{labels[-1]} {format_number(found.ratio)}")
    axes.axvline(1, color=INK, linewidth=1)
    axes.locator_params(axis="x", nbins=4 if narrow else 8)
    axes.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
    axes.set_xlabel(f"images/s, {names[1]} ÷ {names[0]}")
    finish_axes(axes, grid="x")
    style.legend(figure, style.handles(order_backends(speeds["backend"])), narrow)
    return figure, f"Speed of {names[1]} over that of {names[0]}: {'; '.join(told)}."
