"""The report is one file that loads nothing, shows what failed, and escapes what comes from outside.

Rendering takes seconds, so the tests share one report of an experiment in which things went wrong.
`test_installed_package.py` renders a large one and a comparison.
"""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers import fake_results
from vitbench.report.render import REPORTS
from vitbench.results.paths import Results
from vitbench.results.schema import FIGURES
from vitbench.steps import report

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
    settings = fake_results.make_config(title=f"Made up {SCRIPT}")
    root = fake_results.write_directory(
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


def test_the_page_its_notebook_and_its_figures_are_written_and_nothing_else(rendered):
    assert {path.name for path in rendered.glob("*report*")} == {"report.html", "report.ipynb"}
    assert {path.name for path in (rendered / "figures").iterdir()} == {f"{name}.svg" for name in FIGURES}


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
    assert len(images) == len(page.all("figcaption")) == len(page.all("figure")) == len(FIGURES)
    assert all(len(image["alt"]) > 40 and "No description" not in image["alt"] for image in images)


def test_the_page_has_a_title_a_language_and_one_main_heading(page):
    assert page.all("html") == [{"lang": "en"}]
    assert page.title.strip() == f"Made up {SCRIPT}"
    assert len(page.all("h1")) == 1


def test_the_contents_link_to_the_sections(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"][1:] for link in page.all("a") if link["href"].startswith("#")]
    assert len(targets) > 8
    assert set(targets) <= set(ids)


def test_text_from_outside_is_escaped(source):
    assert SCRIPT not in source
    assert "class &lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "MemoryError: &lt;b&gt;failed&lt;/b&gt; on purpose" in source


def test_tables_have_headings_and_regions_that_the_keyboard_can_scroll(page):
    regions = [d for d in page.all("div") if d.get("role") == "region"]
    assert len(regions) == len(page.all("table")) == len(page.all("caption")) >= 7
    assert all(region["tabindex"] == "0" for region in regions)
    assert all(head["scope"] in ("row", "col") for head in page.all("th"))


def test_backends_are_marked_by_generated_styles(source):
    assert source.count(".backend.jax::before") == source.count(".backend.other::before{content") == 1
    assert '<span class="backend jax">jax</span>' in source


def test_failures_are_shown(source):
    assert "run, seed 1" in source
    assert '<span class="badge bad">failed</span>' in source
    assert "tensorflow (stopped by the parity gate)" in source


def test_the_executed_notebook_holds_only_results_and_no_paths_of_this_machine(rendered):
    notebook = json.loads((rendered / "report.ipynb").read_text())
    kinds = {output["output_type"] for cell in notebook["cells"] for output in cell.get("outputs", [])}
    assert kinds == {"execute_result"}
    assert {"input_path", "output_path"}.isdisjoint(notebook["metadata"]["papermill"])


def test_an_experiment_without_a_single_measurement_has_a_report(tmp_path):
    root = fake_results.write_directory(tmp_path, fake_results.make_config(), missing=["jax", "torch", "tensorflow"])
    (root / "data" / "x_train.npy").unlink()
    report.run(Results(root))
    assert "No training run completed" in (root / "report.html").read_text()


@pytest.mark.parametrize("name", ["benchmark", "comparison"])
def test_the_committed_notebooks_have_parameters_and_no_outputs(name):
    notebook = json.loads((REPORTS / f"{name}.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
