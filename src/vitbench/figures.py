"""How the tables are drawn: seaborn and matplotlib, one colour and marker per backend everywhere, no framework.

Each function returns the figure and its text alternative, made from the same numbers. `narrow` stacks the panels for a
screen of a phone's width. An empty table gives a figure that says so.
"""

from collections.abc import Callable, Sequence
from functools import wraps

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vitbench.coldstart import between_commands
from vitbench.config import BACKENDS, Config
from vitbench.numerals import number, share, spread

# Okabe & Ito (2008), "Color Universal Design": told apart under the common colour-vision deficiencies.
COLOURS = {"jax": "#0072b2", "torch": "#d55e00", "tensorflow": "#009e73"}
MARKERS = {"jax": "o", "torch": "s", "tensorflow": "^"}
_ALPHA = {"published": 0.4, "tuned": 1.0, "native": 0.0}  # of the inside of a bar
_DASH = {"published": (0, (2, 2)), "tuned": "-", "native": (0, (1, 1.5))}
_EXECUTIONS = list(_ALPHA)
_FLOW = ("data", "init", "sample", "tune", "parity", "train", "throughput", "tables", "report")
_TOO_LARGE = {"marker": "X", "markersize": 8}
PAPER, INK, MUTED, RULE = "#fefefe", "#22262b", "#5b6470", "#dcdfe4"

_STYLE = {
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.labelsize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": MUTED,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "grid.color": RULE,
    "axes.axisbelow": True,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.titlecolor", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), MUTED),
}
_WIDE, _NARROW = 9.6, 4.0  # inches; 96 CSS pixels each

Drawn = tuple[Figure, str]


def _styled(draw: Callable[..., Drawn]) -> Callable[..., Drawn]:
    @wraps(draw)
    def styled(*args, **kwargs) -> Drawn:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


@_styled
def accuracy(runs: pd.DataFrame, narrow: bool = False) -> Drawn:
    """Test accuracy (0–1) of `tables/runs`: a point per seed, a bar at the mean, a row per model × backend."""
    if not ((runs["status"] == "completed") & runs["test_accuracy"].notna()).any():
        return _sentence("There is no completed run, so there is no accuracy to draw.", narrow)
    groups = _groups(runs)
    counts = [frame["backend"].nunique() for _, frame in groups]
    figure = _figure(narrow, sum(0.42 * n + 0.85 for n in counts) + 0.25)
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[n + 1 for n in counts])[:, 0]
    told = []
    for axes, (title, frame) in zip(panels, groups, strict=True):
        backends = _in_order(frame["backend"])
        done = frame[(frame["status"] == "completed") & frame["test_accuracy"].notna()]
        for row, backend in enumerate(backends):
            values = done.loc[done["backend"] == backend, "test_accuracy"].tolist()
            if values:
                sns.scatterplot(
                    x=values, y=[row] * len(values), ax=axes, s=60, linewidth=0, legend=False, **_look(backend)
                )
                told.append(f"{title} on {backend} {spread(values)} ({len(values)})")
            if len(values) > 1:
                axes.plot([np.mean(values)] * 2, [row - 0.32, row + 0.32], color=INK, linewidth=1.6)
            others = frame[(frame["backend"] == backend) & ~frame.index.isin(done.index)]
            lost = [f"{n} {status}" for status, n in others["status"].value_counts().items()]
            told += [f"{title} on {backend}: {', '.join(lost)}"] if lost else []
            note = "\n".join([spread(values)] * bool(values) + lost)
            _note(axes, 1.02, row, note, transform=axes.get_yaxis_transform())
        axes.set(title=title, yticks=range(len(backends)), yticklabels=backends, ylim=(len(backends) - 0.5, -0.5))
        _finish(axes, grid="x")
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4 if narrow else 8)
    panels[-1].set_xlabel("test accuracy")
    return figure, f"Test accuracy, mean ± standard deviation (number of seeds): {'; '.join(told)}."


@_styled
def throughput(throughput: pd.DataFrame, narrow: bool = False) -> Drawn:
    """Images per second of `tables/throughput`, training and inference, published beside tuned.

    Bars from zero for one batch size; lines over batch size for more.
    """
    done = throughput[(throughput["status"] == "completed") & throughput["images_per_second"].notna()]
    if done.empty:
        return _sentence("No throughput measurement completed, so there is no speed to draw.", narrow)
    cells = [
        (f"{title}: {word}", frame[(frame["phase"] == phase) | frame["phase"].isna()])
        for title, frame in _groups(throughput, ["model", "precision"])
        for phase, word in (("train", "training"), ("infer", "inference"))
        if ((frame["phase"] == phase) & (frame["status"] == "completed")).any()
    ]
    several, columns = done["batch_size"].nunique() > 1, 1 if narrow else 2
    bars = [len(frame.drop_duplicates(["backend", "execution"])) for _, frame in cells[::columns]]
    heights = [2.2 if several else 0.27 * n + 0.25 for n in bars]
    figure = _figure(narrow, sum(heights) + 0.75 * len(heights) + 0.4)
    panels = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
    if len(panels) > len(cells):
        panels[-1].set_visible(False)
    for axes, (title, frame) in zip(panels, cells, strict=False):
        (_speed_lines if several else _speed_bars)(axes, frame)
        axes.set_title(title)
    executions = sorted(done["execution"].unique(), key=_EXECUTIONS.index)
    if several:
        lines = [Line2D([], [], color=INK, linestyle=_DASH[e], label=e) for e in executions]
        if (throughput["status"] == "out_of_memory").any():
            lines.append(Line2D([], [], color=INK, linestyle="", label="out of memory", **_TOO_LARGE))
        _legend(figure, [*_handles(_in_order(done["backend"])), *lines], narrow)
    elif len(executions) > 1:
        _legend(figure, [Patch(facecolor=to_rgba(INK, _ALPHA[e]), edgecolor=INK, label=e) for e in executions], narrow)
    by = {"model": True, "phase": False, "batch_size": True, "images_per_second": False}
    told = [
        f"{r.model} {r.phase} {r.backend} {r.execution} batch {r.batch_size:.0f}: {number(r.images_per_second)}"
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
    for backend in _in_order(frame["backend"]):
        of_backend = frame[frame["backend"] == backend].sort_values("execution", key=lambda e: e.map(_EXECUTIONS.index))
        ticks.append(row + (len(of_backend) - 1) / 2)
        for bar in of_backend.itertuples():
            colour = COLOURS.get(backend, MUTED)
            inside = to_rgba(colour, _ALPHA[bar.execution])
            axes.barh(row, bar.images_per_second, 0.84, facecolor=inside, edgecolor=colour, linewidth=1)
            known = bar.status == "completed"
            label = number(bar.images_per_second) if known else f"{bar.execution}: {bar.status}"
            reach = [bar.images_per_second_ci_low, bar.images_per_second_ci_high]
            if known and not pd.isna(reach[0]):
                axes.plot(reach, [row, row], color=INK, linewidth=1.4)
            _note(axes, np.nanmax([bar.images_per_second, reach[1]]) if known else 0, row, f" {label}")
            row += 1
        row += 0.5
    axes.set(yticks=ticks, yticklabels=_in_order(frame["backend"]), ylim=(row - 0.8, -0.7))
    axes.set(xlabel="images per second", xlim=(0, frame["images_per_second"].max() * 1.22))
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    _finish(axes, grid="x")


def _speed_lines(axes: Axes, frame: pd.DataFrame) -> None:
    done = frame[frame["status"] == "completed"].sort_values("batch_size")
    for (backend, execution), line in done.groupby(["backend", "execution"]):
        axes.plot(line["batch_size"], line["images_per_second"], linestyle=_DASH[execution], **_look(backend))
    for (backend, _), lost in frame[frame["status"] == "out_of_memory"].groupby(["backend", "execution"]):
        axes.plot(lost["batch_size"].min(), 0, **_look(backend) | _TOO_LARGE, clip_on=False)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="batch size", ylabel="images per second", ylim=(0, done["images_per_second"].max() * 1.08))
    sizes = sorted(frame["batch_size"].dropna().unique())
    axes.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    _finish(axes, grid="y")


@_styled
def learning_curves(epochs: pd.DataFrame, narrow: bool = False) -> Drawn:
    """Loss and top-5 accuracy of `tables/epochs` over epochs: a thin line per seed, a thick one at the mean.

    Dashed is training (with dropout and augmentation), solid is validation; a row per model. The mean ends where the
    first seed does.
    """
    if epochs.empty:
        return _sentence("There is no completed run, so there are no learning curves.", narrow)
    groups, columns = _groups(epochs), 1 if narrow else 2
    figure = _figure(narrow, 2.7 * len(groups) * (2 // columns) + 0.6)
    panels = iter(figure.subplots(len(groups) * 2 // columns, columns, squeeze=False).ravel())
    told, dashed = [], (0, (3, 1.5))
    for title, frame in groups:
        for metric, words in (("loss", "loss"), ("top5_accuracy", "top-5 accuracy")):
            axes = next(panels)
            # Each is thinner than the one beneath it, so that equal curves are all seen.
            for backend, width in zip(_in_order(frame["backend"]), (2.8, 1.9, 1.1), strict=False):
                of_backend = frame[frame["backend"] == backend]
                for column, dash in ((metric, dashed), (f"val_{metric}", "-")):
                    _curve(axes, of_backend, column, backend, dash, width)
                last = _mean(of_backend, f"val_{metric}").dropna()
                if len(last):
                    when = f"{share(last.iloc[-1])} at epoch {last.index[-1]:.0f}"
                    told.append(f"{title} {backend} validation {words} {when}")
            axes.set(title=f"{title}: {words}", xlabel="epoch")
            axes.locator_params(axis="x", integer=True, nbins=6)
            _finish(axes, grid="y")
    styles = [Line2D([], [], color=INK, linestyle=d, label=w) for w, d in (("training", dashed), ("validation", "-"))]
    _legend(figure, [*_handles(_in_order(epochs["backend"])), *styles], narrow)
    return figure, f"Learning curves. {'; '.join(told)}."


def _curve(axes: Axes, frame: pd.DataFrame, column: str, backend: str, dash, width: float) -> None:
    look = _look(backend) | {"linestyle": dash}
    if frame["seed"].nunique() > 1:
        for _, one in frame.groupby("seed"):
            axes.plot(one["epoch"], one[column], **look | {"marker": None}, linewidth=0.7, alpha=0.45)
    mean = _mean(frame, column)
    size = 2 + 1.6 * width if len(mean) <= 12 else 0
    axes.plot(mean.index, mean, **look, linewidth=width, markersize=size)


def _mean(frame: pd.DataFrame, column: str) -> pd.Series:
    """The mean over seeds by epoch, for the epochs that every seed has."""
    by_epoch = frame.groupby("epoch")[column]
    return by_epoch.mean()[by_epoch.size() == frame["seed"].nunique()]


@_styled
def timeline(jobs: pd.DataFrame, narrow: bool = False) -> Drawn:
    """When each command of `tables/jobs` ran, seconds from the first, a line per step, coloured by backend."""
    if jobs.empty:
        return _sentence("No command said when it ran.", narrow)
    began, ended = (pd.to_datetime(jobs[column]) for column in ("started_at", "finished_at"))
    begins = (began - began.min()).dt.total_seconds()
    seconds = (ended - began).dt.total_seconds()
    steps = sorted(set(jobs["step"]), key=lambda step: (_FLOW.index(step) if step in _FLOW else len(_FLOW), step))
    figure = _figure(narrow, 0.3 * len(steps) + 1.3)
    axes = figure.subplots()
    for begin, length, step, backend in zip(begins, seconds, jobs["step"], jobs["backend"], strict=True):
        colour = COLOURS.get(backend, MUTED)
        axes.barh(steps.index(step), length, 0.72, begin, facecolor=colour, edgecolor=PAPER, linewidth=0.6)
    axes.set(yticks=range(len(steps)), yticklabels=steps, ylim=(len(steps) - 0.4, -0.6), xlabel="seconds")
    axes.locator_params(axis="x", nbins=5 if narrow else 10)
    _finish(axes, grid="x")
    backends = [Patch(facecolor=COLOURS[b], label=b) for b in _in_order(jobs["backend"]) if b in COLOURS]
    others = [Patch(facecolor=MUTED, label="no backend")] if jobs["backend"].isna().any() else []
    _legend(figure, [*backends, *others], narrow)
    busy, idle = between_commands(jobs)
    by_step = seconds.groupby(jobs["step"]).sum()
    told = ", ".join(f"{step} {number(by_step[step])} s" for step in steps)
    return figure, f"{number(busy)} s in which commands ran, {number(idle)} s between them: {told}."


@_styled
def patches(image: np.ndarray, config: Config, narrow: bool = False) -> Drawn:
    """A uint8 (height, width, 3) image at the size that the ViT of `config` sees, and the patches it is cut into."""
    vit = config.models.vit
    if vit is None:
        return _sentence("No model of this experiment cuts images into patches.", narrow)
    size, patch, n = vit.image_size, vit.patch_size, vit.image_size // vit.patch_size
    seen = resize(image, size)
    gap = max(1, patch // 5)
    grid = np.zeros((n * (patch + gap) - gap,) * 2 + (4,), np.uint8)  # transparent between the patches
    for row, column in np.ndindex(n, n):
        top, left = row * (patch + gap), column * (patch + gap)
        tile = seen[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
        grid[top : top + patch, left : left + patch] = np.dstack([tile, np.full((patch, patch), 255, np.uint8)])
    figure = _figure(narrow, 7.8 if narrow else 4.6)
    panels = figure.subplots(*((2, 1) if narrow else (1, 2)))
    titles = (f"{size} × {size} pixels", f"{n} × {n} patches of {patch} × {patch} pixels")
    for axes, picture, title in zip(panels, (seen, grid), titles, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title)
        axes.axis("off")
    return figure, f"One training image resized to {titles[0]}, and the same image cut into {titles[1]}."


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (size, size, 3): bilinear with half-pixel centres and no antialiasing, as keras.layers.Resizing."""

    def positions(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, n - 1), at - low

    top, bottom, down = positions(image.shape[0])
    left, right, across = positions(image.shape[1])
    down, across, pixels = down[:, None, None], across[None, :, None], image.astype(float)
    rows = pixels[top] * (1 - down) + pixels[bottom] * down
    return np.round(rows[:, left] * (1 - across) + rows[:, right] * across).astype(np.uint8)


def _groups(
    frame: pd.DataFrame, keys: Sequence[str] = ("model", "execution", "precision")
) -> list[tuple[str, pd.DataFrame]]:
    """The frame by `keys`, in order of appearance, each with a title of the keys that vary beside the model."""
    vary = ["model", *(key for key in keys[1:] if frame[key].nunique() > 1)]
    return [(" · ".join(names), part) for names, part in frame.groupby(vary, sort=False)]


def _in_order(backends: pd.Series) -> list[str]:
    return sorted(set(backends.dropna()), key=order)


def order(backend: str) -> tuple[int, str]:
    """A sort key: the known backends first, always in the same order."""
    return (BACKENDS.index(backend) if backend in BACKENDS else len(BACKENDS)), backend


def _look(backend: str) -> dict:
    return {"color": COLOURS.get(backend, MUTED), "marker": MARKERS.get(backend, "D")}


def _handles(backends: list[str]) -> list[Line2D]:
    return [Line2D([], [], linewidth=1.8, label=backend, **_look(backend)) for backend in backends]


def _figure(narrow: bool, height: float) -> Figure:
    figure = Figure(figsize=(_NARROW if narrow else _WIDE, height), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.09, w_pad=0.04)
    return figure


def _legend(figure: Figure, handles: list[Line2D | Patch], narrow: bool) -> None:
    figure.legend(handles=handles, loc="outside upper left", ncols=3 if narrow else len(handles))


def _note(axes: Axes, x: float, y: float, text: str, **options) -> None:
    axes.text(x, y, text, va="center", color=INK, fontsize=9.5, **options)


def _finish(axes: Axes, grid: str) -> None:
    sns.despine(ax=axes, left=grid == "x", bottom=False)
    axes.grid(visible=True, axis=grid)
    axes.tick_params(length=0)


def _sentence(text: str, narrow: bool) -> Drawn:
    figure = _figure(narrow, 0.9)
    figure.text(0.02, 0.5, text, color=MUTED, va="center", wrap=True)
    return figure, text
