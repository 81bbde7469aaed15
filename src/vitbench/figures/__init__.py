"""How the tables are drawn: seaborn and matplotlib, one colour and marker per backend everywhere, no framework.

Each function returns the figure and its text alternative, made from the same numbers. `narrow` stacks the panels for a
screen of a phone's width. An empty table gives a figure that says so.
"""

from vitbench.figures.curves import accuracy_over_time, learning_curves, timeline
from vitbench.figures.images import patches, resize
from vitbench.figures.levels import accuracy, ratios, throughput
from vitbench.figures.look import COLOURS, INK, MUTED, PAPER, RULE, Drawn, order

__all__ = [
    "COLOURS",
    "INK",
    "MUTED",
    "PAPER",
    "RULE",
    "Drawn",
    "accuracy",
    "accuracy_over_time",
    "learning_curves",
    "order",
    "patches",
    "ratios",
    "resize",
    "throughput",
    "timeline",
]
