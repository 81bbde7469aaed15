"""Figures, drawn from tables with seaborn and Matplotlib.

Each function returns the figure and its text alternative, made from the same numbers. `narrow` stacks the panels for
a phone. An empty table gives a figure that says so.
"""
