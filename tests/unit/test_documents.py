"""The documents agree with the repository: links, paths, commands, config keys, sections, versions."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from vitbench.cli import app
from vitbench.config.schema import Config

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(path for folder in (".", "docs", "benchmarks") for path in (REPOSITORY / folder).glob("*.md"))
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
HOSTS = {"arxiv.org", "keras.io", "doi.org"}

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
URL = re.compile(r"https?://([^/\s)>\"'`]+)")
CODE_BLOCK = re.compile(r"^ *```[a-z]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
FOLDERS = "src|workflow|envs|docs|benchmarks|tests|examples|profiles|reports"


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name)


def code(document: Path) -> list[str]:
    """The code blocks and code spans of a document."""
    text = document.read_text()
    return CODE_BLOCK.findall(text) + CODE_SPAN.findall(CODE_BLOCK.sub("", text))


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", CODE_BLOCK.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def has_key(section: type, key: str) -> bool:
    """Whether a config class has the dotted `key`."""
    first, _, rest = key.partition(".")
    field = section.model_fields.get(first)
    if field is None:
        return False
    annotations = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return not rest or any(has_key(part, rest) for part in annotations if hasattr(part, "model_fields"))


@each_document
def test_every_relative_link_leads_to_a_file_and_an_anchor(document):
    broken = []
    for target in LINK.findall(CODE_BLOCK.sub("", document.read_text())):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file).resolve() if file else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


@each_document
def test_every_path_in_a_document_exists(document):
    spans = [span.split("#")[0] for span in code(document) if re.fullmatch(rf"({FOLDERS})/[\w./*-]+", span)]
    assert [span for span in spans if not list(REPOSITORY.glob(span.rstrip("/")))] == []


@each_document
def test_every_python_script_in_a_document_exists(document):
    scripts = {path for text in code(document) for path in re.findall(r"python (\S+\.py)\b", text)}
    assert [path for path in scripts if not (REPOSITORY / path).exists()] == []


@each_document
def test_every_make_target_in_a_document_exists(document):
    named = {target for text in code(document) for target in re.findall(r"(?:^|[\s&;])make ([a-z][a-z-]*)", text)}
    assert named - make_targets() == set()


@each_document
def test_every_vitbench_command_in_a_document_exists(document):
    named = {command for text in code(document) for command in re.findall(r"(?:^|[\s/])vitbench ([a-z]+)\b", text)}
    assert named - {"&"} - set(typer.main.get_command(app).commands) == set()


@each_document
def test_every_config_key_in_a_document_exists(document):
    pattern = rf"({'|'.join(Config.model_fields)})(\.(?!py$|html$|ipynb$)[a-z]\w*)+"
    keys = [span for span in code(document) if re.fullmatch(pattern, span)]
    assert [key for key in keys if not has_key(Config, key)] == []


@pytest.mark.parametrize(
    "file", [*DOCUMENTS, *WORKFLOWS, REPOSITORY / "Makefile", REPOSITORY / "pyproject.toml"], ids=name
)
def test_only_known_hosts_are_linked(file):
    assert set(URL.findall(file.read_text())) - HOSTS == set()


def test_the_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 150


def test_the_report_guide_describes_every_section_of_the_report():
    cells = json.loads((REPOSITORY / "reports" / "benchmark.ipynb").read_text())["cells"]
    headings = re.findall(
        r"^## (.*)$", "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown"), re.M
    )
    rows = re.findall(r"^\| ([^|]+) \|", (REPOSITORY / "docs" / "report.md").read_text(), re.M)
    described = [row for row in rows if row in headings]
    assert described == headings


def test_the_documented_layers_are_those_that_are_enforced():
    contract = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    section = (REPOSITORY / "docs" / "development.md").read_text().partition("## Layers")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == contract["layers"]


def test_the_documents_name_the_pinned_snakemake():
    pins = PROJECT["project"]["optional-dependencies"]["workflow"]
    assert f"pip install {' '.join(pins)}" in (REPOSITORY / "docs" / "clusters.md").read_text()


def test_package_citation_and_changelog_have_one_version_and_date():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    newest = re.search(r"^## (\S+) – (\S+)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.M)
    assert PROJECT["project"]["version"] == citation["version"] == newest[1]
    assert str(citation["date-released"]) == newest[2]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_continuous_integration_calls_existing_make_targets_in_the_order_of_their_cost(workflow):
    steps = yaml.safe_load(workflow.read_text())["jobs"]["test"]["steps"]
    targets = [step["run"].removeprefix("make ") for step in steps if "run" in step]
    assert targets == ["lint", "test-fast", "demo"]
    assert set(targets) <= make_targets()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_actions_are_pinned_to_a_major_version(workflow):
    uses = re.findall(r"uses: (\S+)", workflow.read_text())
    assert uses and [action for action in uses if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action)] == []
