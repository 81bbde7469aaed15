"""report: one HTML file that opens offline, the executed notebook and the figures beside it."""

from pathlib import Path

from vitbench.contents.pictures import pictures
from vitbench.evidence import load
from vitbench.presentation import svg
from vitbench.progress import say
from vitbench.render import render
from vitbench.results import Results, whole

NOTEBOOK = Path(__file__).parents[3] / "reports" / "benchmark.ipynb"


def run(results: Results) -> None:
    found = load(results.root)
    html = results.root / "report.html"
    render(NOTEBOOK, {"results": str(results.root)}, found.config.report.title, results.root / "report.ipynb", html)
    for name, picture in pictures(found).items():
        drawn, _ = picture.drawn()
        with whole(results.figure(name)) as path:
            path.write_text(svg(drawn))
    say(f"report: {html.resolve()}")
