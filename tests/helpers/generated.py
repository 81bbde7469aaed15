"""Comparison of a generated file with the text that the code generates now."""

import difflib
from pathlib import Path


def unified_difference(path: Path, generated: str) -> str:
    """The unified diff from the file to `generated`; empty if they are equal."""
    lines = difflib.unified_diff(
        path.read_text().splitlines(), generated.splitlines(), str(path), "generated", lineterm=""
    )
    return "\n".join(lines)
