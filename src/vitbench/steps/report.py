"""report: one HTML file that opens offline, and the executed notebook beside it."""

from pathlib import Path

from vitbench.progress import say
from vitbench.render import render
from vitbench.results import Results

NOTEBOOK = Path(__file__).parents[3] / "reports" / "benchmark.ipynb"


def run(results: Results) -> None:
    html = results.root / "report.html"
    render(NOTEBOOK, results.root, results.root / "report.ipynb", html)
    say(f"report: {html.resolve()}")
