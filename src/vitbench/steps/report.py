"""report: renders one HTML file that opens offline, and writes the executed notebook and the figures beside it."""

from vitbench.analysis.load import load_experiment_config
from vitbench.report.render import REPORTS, render_notebook
from vitbench.results.paths import Results
from vitbench.system.logs import notify


def run(results: Results) -> None:
    """Renders the report from the tables. Raises FileNotFoundError if the step tables has not run."""
    title = load_experiment_config(results).report.title
    html = results.root / "report.html"
    parameters = {"results": str(results.root)}
    render_notebook(REPORTS / "benchmark.ipynb", parameters, title, results.root / "report.ipynb", html)
    notify(f"report: {html.resolve()}")
