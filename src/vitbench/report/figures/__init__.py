"""Figures, drawn from tables with seaborn and Matplotlib.

Each `draw_` function returns a figure and its text alternative, which is written from the same numbers. `narrow` stacks
the panels for a phone. An empty table gives a figure that says why there is nothing to draw.
"""
