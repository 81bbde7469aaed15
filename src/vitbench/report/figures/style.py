"""What all figures share: one colour and marker per backend everywhere, inks, sizes and legends."""

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
ALPHA = {"published": 0.4, "tuned": 1.0, "native": 0.0}  # of the inside of a bar
DASH: dict[str, Any] = {"published": (0, (2, 2)), "tuned": "-", "native": (0, (1, 1.5))}
EXECUTIONS = list(ALPHA)
TOO_LARGE = {"marker": "X", "markersize": 8}
PAPER, INK, MUTED, RULE = "#fefefe", "#22262b", "#5b6470", "#dcdfe4"

_STYLE: dict = {
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


def styled(draw: Callable[..., Drawn]) -> Callable[..., Drawn]:
    @wraps(draw)
    def styled(*args, **kwargs) -> Drawn:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


def group_panels(
    frame: pd.DataFrame, keys: Sequence[str] = ("model", "execution", "precision")
) -> list[tuple[str, pd.DataFrame]]:
    """The frame by `keys`, in order of appearance, each with a title of the keys that vary beside the model."""
    vary = ["model", *(key for key in keys[1:] if frame[key].nunique() > 1)]
    return [(" · ".join(names), part) for names, part in frame.groupby(vary, sort=False)]


def order_backends(backends: pd.Series) -> list[str]:
    return sorted(set(backends.dropna()), key=backend_position)


def backend_style(backend: str) -> dict:
    return {"color": COLOURS.get(backend, MUTED), "marker": MARKERS.get(backend, "D")}


def handles(backends: list[str]) -> list[Line2D]:
    return [Line2D([], [], linewidth=1.8, label=backend, **backend_style(backend)) for backend in backends]


def new_figure(narrow: bool, height: float) -> Figure:
    layout = ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.04)
    return Figure(figsize=(_NARROW if narrow else _WIDE, height), layout=layout)


def legend(figure: Figure, handles: Sequence[Line2D | Patch], narrow: bool) -> None:
    columns = 2 if len(handles) > 4 else 3
    figure.legend(handles=handles, loc="outside upper left", ncols=columns if narrow else len(handles))


def add_note(axes: Axes, x: float, y: float, text: str, **options) -> None:
    axes.text(x, y, text, va="center", color=INK, fontsize=9.5, **options)


def finish_axes(axes: Axes, grid: Literal["x", "y"]) -> None:
    sns.despine(ax=axes, left=grid == "x", bottom=False)
    axes.grid(visible=True, axis=grid)
    axes.tick_params(length=0)


def empty_figure(text: str, narrow: bool) -> Drawn:
    figure = new_figure(narrow, 0.9)
    figure.text(0.02, 0.5, text, color=MUTED, va="center", wrap=True)
    return figure, text
