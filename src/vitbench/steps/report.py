"""report: one HTML file that opens offline, the executed notebook and the figures beside it."""

from pathlib import Path

from vitbench.analysis.load import load_results
from vitbench.report.figures.catalog import build_figures
from vitbench.report.html import to_svg
from vitbench.report.render import render_notebook
from vitbench.results.paths import Results
from vitbench.system.files import atomic_write
from vitbench.system.logs import notify

NOTEBOOK = Path(__file__).parents[3] / "reports" / "benchmark.ipynb"


def run(results: Results) -> None:
    found = load_results(results.root)
    html = results.root / "report.html"
    render_notebook(
        NOTEBOOK, {"results": str(results.root)}, found.config.report.title, results.root / "report.ipynb", html
    )
    for name, picture in build_figures(found).items():
        drawn, _ = picture.drawn()
        with atomic_write(results.figure(name)) as path:
            path.write_text(to_svg(drawn))
    notify(f"report: {html.resolve()}")
