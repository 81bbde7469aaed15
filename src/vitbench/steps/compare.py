"""compare: a page on how two experiments differ, and which differences are real."""

from pathlib import Path

from vitbench import compare
from vitbench.progress import say
from vitbench.render import render

NOTEBOOK = Path(__file__).parents[3] / "reports" / "comparison.ipynb"


def run(a: Path, b: Path, output: Path) -> None:
    """Raises UserError if `a` or `b` is not the results of an experiment."""
    compare.both(a, b)
    title = "{1} compared with {0}".format(*compare.names(a, b))
    render(NOTEBOOK, {"a": str(a), "b": str(b)}, title, output.with_suffix(".ipynb"), output)
    say(f"compare: {output.resolve()}")
