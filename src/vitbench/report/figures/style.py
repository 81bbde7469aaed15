"""What all figures share: one colour and marker per backend, inks, sizes, legends and grids."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vitbench.backends.registry import BACKENDS, backend_position, get_backend

COLOURS = {name: get_backend(name).colour for name in BACKENDS}
MARKERS = {name: get_backend(name).marker for name in BACKENDS}
OTHER_MARKER = "D"  # of a backend that is in the tables but not registered

# Opacity of a bar's fill and line style of a curve, by execution mode. The order is that of bars and legends.
FILL_ALPHA = {"published": 0.4, "tuned": 1.0, "native": 0.0}
LINE_STYLES: dict[str, Any] = {"published": (0, (2, 2)), "tuned": "-", "native": (0, (1, 1.5))}
EXECUTIONS = list(FILL_ALPHA)
OUT_OF_MEMORY = {"marker": "X", "markersize": 8}

PAPER, INK, MUTED, RULE = "#fefefe", "#22262b", "#5b6470", "#dcdfe4"
# What the inks become for a reader who prefers dark. The backends' colours have enough contrast on both papers.
DARK = {PAPER: "#1c1f24", INK: "#e8eaed", MUTED: "#a7b0bb", RULE: "#3a3f47"}

_STYLE: dict = {
    "text.parse_math": False,  # names may contain a dollar sign
    "text.color": INK,
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.labelsize": 10.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": PAPER,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "grid.color": RULE,
    "legend.frameon": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}
_WIDE, _NARROW = 9.6, 4.0  # inches; an inch is 96 CSS pixels

FigureWithAlt = tuple[Figure, str]  # a figure and its text alternative


def apply_style(draw: Callable[..., FigureWithAlt]) -> Callable[..., FigureWithAlt]:
    """Decorates a function that draws a figure, so that it draws in the report's style."""

    @wraps(draw)
    def draw_in_style(*args, **kwargs) -> FigureWithAlt:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return draw_in_style


def group_panels(
    frame: pd.DataFrame, keys: Sequence[str] = ("model", "execution", "precision")
) -> list[tuple[str, pd.DataFrame]]:
    """Splits `frame` by `keys` in order of appearance. Each part's title names the model and the keys that vary."""
    varying = ["model", *(key for key in keys[1:] if frame[key].nunique() > 1)]
    return [(" · ".join(names), part) for names, part in frame.groupby(varying, sort=False)]


def order_backends(backends: pd.Series) -> list[str]:
    """The distinct backends of a column, in the order of the registry."""
    return sorted(set(backends.dropna()), key=backend_position)


def backend_style(backend: str) -> dict:
    """Colour and marker of a backend, as keyword arguments of Matplotlib's plot functions."""
    return {"color": COLOURS.get(backend, MUTED), "marker": MARKERS.get(backend, OTHER_MARKER)}


def backend_handles(backends: list[str]) -> list[Line2D]:
    """Legend entries of `backends`."""
    return [Line2D([], [], linewidth=1.8, label=backend, **backend_style(backend)) for backend in backends]


def new_figure(narrow: bool, height: float) -> Figure:
    """An empty figure for a desktop or a phone; height in inches."""
    layout = ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.04)
    return Figure(figsize=(_NARROW if narrow else _WIDE, height), layout=layout)


def add_legend(figure: Figure, handles: Sequence[Line2D | Patch], narrow: bool) -> None:
    """Adds a legend above the panels: one line, or several columns on a phone."""
    columns = 2 if len(handles) > 4 else 3
    figure.legend(handles=handles, loc="outside upper left", ncols=columns if narrow else len(handles))


def add_note(axes: Axes, x: float, y: float, text: str, **options) -> None:
    """Writes a small text to the right of a point."""
    axes.text(x, y, text, va="center", color=INK, fontsize=9.5, **options)


def finish_axes(axes: Axes, grid: Literal["x", "y"]) -> None:
    """Removes the frame and the tick marks, and draws grid lines for the axis that holds the values."""
    sns.despine(ax=axes, left=grid == "x", bottom=False)
    axes.grid(visible=True, axis=grid)
    axes.tick_params(length=0)


def format_ticks(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Writes the thousands of an axis with a comma, as the tables do."""
    getattr(axes, f"{axis}axis").set_major_formatter(lambda value, _: f"{value:,.10g}")


def empty_figure(text: str, narrow: bool) -> FigureWithAlt:
    """A figure that only says why there is nothing to draw."""
    figure = new_figure(narrow, 0.9)
    figure.text(0.02, 0.5, text, color=MUTED, va="center", wrap=True)
    return figure, text
