"""The report is one file that loads nothing, shows what failed, and escapes what comes from outside."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.report.figures.catalog import NAMES
from vitbench.results.paths import Results
from vitbench.steps import report
from vitbench.steps.report import NOTEBOOK

SCRIPT = "<script>alert(1)</script>"


class Page(HTMLParser):
    """The elements of a page, each as its name and attributes, and the text of its title."""

    def __init__(self, source: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.title = ""
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "title":
            self.title += data

    def all(self, *tags: str) -> list[dict]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    settings = fake_results.config(title=f"Made up {SCRIPT}")
    root = fake_results.directory(
        tmp_path_factory.mktemp("results"), settings, class_name=SCRIPT, failed=[("torch", 1)], gated=["tensorflow"]
    )
    report.run(Results(root))
    return root


@pytest.fixture(scope="module")
def source(rendered) -> str:
    return (rendered / "report.html").read_text()


@pytest.fixture(scope="module")
def page(source) -> Page:
    return Page(source)


def test_nothing_half_written_is_left(rendered):
    assert {path.name for path in rendered.glob("*report*")} == {"report.html", "report.ipynb"}


def test_the_page_loads_nothing(page, source):
    (script,) = page.all("script")
    assert script == {}
    assert not page.all("iframe", "object", "embed", "base", "audio", "video")
    for attributes in page.all(*{tag for tag, _ in page.elements} - {"a"}):
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:"), attributes[name][:80]
    assert all(link["href"].startswith(("#", "data:")) for link in page.all("a"))
    assert "url(" not in source
    assert "@import" not in source
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'; script-src 'sha256-" in policy


def test_every_figure_has_a_text_alternative_and_a_caption(page):
    images = [image for image in page.all("img") if "thumbnail" not in image.get("class", "")]
    assert len(images) == len(page.all("figcaption")) == len(page.all("figure")) == len(NAMES)
    assert all(len(image["alt"]) > 40 and "No description" not in image["alt"] for image in images)


def test_the_page_is_named_and_has_a_language(page):
    assert page.all("html") == [{"lang": "en"}]
    assert page.title.strip() == f"Made up {SCRIPT}"
    assert len(page.all("h1")) == 1


def test_the_contents_lead_to_the_sections(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"][1:] for link in page.all("a") if link["href"].startswith("#")]
    assert len(targets) > 8
    assert set(targets) <= set(ids)


def test_words_from_outside_are_escaped(source):
    assert SCRIPT not in source
    assert "class &lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "MemoryError: &lt;b&gt;failed&lt;/b&gt; on purpose" in source


def test_tables_are_headed_and_can_be_scrolled_by_keyboard(page):
    regions = [d for d in page.all("div") if d.get("role") == "region"]
    assert len(regions) == len(page.all("table")) == len(page.all("caption")) >= 7
    assert all(region["tabindex"] == "0" for region in regions)
    assert all(head["scope"] in ("row", "col") for head in page.all("th"))


def test_what_failed_is_seen(source):
    assert "run, seed 1" in source
    assert '<span class="badge bad">failed</span>' in source
    assert "tensorflow (stopped by the parity gate)" in source


def test_the_executed_notebook_said_nothing_but_its_results(rendered):
    notebook = json.loads((rendered / "report.ipynb").read_text())
    kinds = {output["output_type"] for cell in notebook["cells"] for output in cell.get("outputs", [])}
    assert kinds == {"execute_result"}
    assert {"input_path", "output_path"}.isdisjoint(notebook["metadata"]["papermill"])


def test_a_report_can_be_made_when_nothing_was_measured(tmp_path):
    root = fake_results.directory(tmp_path, fake_results.config(), missing=["jax", "torch", "tensorflow"])
    (root / "data" / "x_train.npy").unlink()
    report.run(Results(root))
    assert "No training run completed" in (root / "report.html").read_text()


def test_sixty_runs_of_a_hundred_epochs_stay_small_enough_to_be_sent(tmp_path):
    settings = fake_results.config(seeds=range(15), training={"epochs": 100})
    root = fake_results.directory(tmp_path, settings)
    report.run(Results(root))
    assert len(pd.read_parquet(root / "tables" / "runs.parquet")) == 60
    assert (root / "report.html").stat().st_size < 15e6


def test_the_committed_notebook_has_no_outputs():
    notebook = json.loads(NOTEBOOK.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
