"""Parity: whether two backends compute the same numbers, and what happens if they do not."""
