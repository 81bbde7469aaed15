"""compare: renders a report on how two experiments differ."""

from pathlib import Path

from vitbench.analysis.comparison import label_experiments, load_both
from vitbench.report.render import REPORTS, render_notebook
from vitbench.system.logs import notify


def run(a: Path, b: Path, output: Path) -> None:
    """Renders the comparison to `output`. Raises UserError if `a` or `b` does not hold the results of an experiment."""
    load_both(a, b)
    names = label_experiments(a, b)
    title = f"{names[1]} compared with {names[0]}"
    parameters = {"a": str(a), "b": str(b)}
    render_notebook(REPORTS / "comparison.ipynb", parameters, title, output.with_suffix(".ipynb"), output)
    notify(f"compare: {output.resolve()}")
