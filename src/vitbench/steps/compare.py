"""compare: a page on how two experiments differ, and which differences are real."""

from pathlib import Path

from vitbench.analysis.comparison import label_experiments, load_both
from vitbench.report.render import render_notebook
from vitbench.system.logs import notify

NOTEBOOK = Path(__file__).parents[3] / "reports" / "comparison.ipynb"


def run(a: Path, b: Path, output: Path) -> None:
    """Raises UserError if `a` or `b` is not the results of an experiment."""
    load_both(a, b)
    title = "{1} compared with {0}".format(*label_experiments(a, b))
    render_notebook(NOTEBOOK, {"a": str(a), "b": str(b)}, title, output.with_suffix(".ipynb"), output)
    notify(f"compare: {output.resolve()}")
