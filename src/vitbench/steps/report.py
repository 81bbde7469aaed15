"""report: renders one HTML file that opens offline, and writes the executed notebook and the figures beside it."""

from vitbench.analysis.load import load_results
from vitbench.report.figures.catalog import build_figures
from vitbench.report.html import to_svg
from vitbench.report.render import REPORTS, render_notebook
from vitbench.results.paths import Results
from vitbench.system.files import atomic_write
from vitbench.system.logs import notify


def run(results: Results) -> None:
    """Renders the report from the tables. Raises FileNotFoundError if the step tables has not run."""
    loaded = load_results(results.root)
    html = results.root / "report.html"
    parameters = {"results": str(results.root)}
    title = loaded.config.report.title
    render_notebook(REPORTS / "benchmark.ipynb", parameters, title, results.root / "report.ipynb", html)
    for name, captioned in build_figures(loaded).items():
        figure, _ = captioned.draw()
        with atomic_write(results.figure(name)) as path:
            path.write_text(to_svg(figure))
    notify(f"report: {html.resolve()}")
