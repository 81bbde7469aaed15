"""A package that is installed from its wheel renders reports without the repository."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.report.render import REPORTS

REPOSITORY = Path(__file__).parents[3]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The package's wheel, built from a copy so that no build folder is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("vitbench-*.whl")
    return wheel


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory) -> Path:
    """A folder with a large experiment, its report and a comparison, rendered by the installed package."""
    folder = tmp_path_factory.mktemp("project")
    site = folder / "site"
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    settings = fake_results.make_config(seeds=range(15), training={"epochs": 100})
    results = fake_results.write_directory(folder / "results", settings)
    (folder / "config.json").write_text(settings.model_dump_json())
    environment = os.environ | {"PYTHONPATH": str(site)}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        completed = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    used = run("-c", "import vitbench; print(vitbench.__file__)").strip()
    assert Path(used).is_relative_to(site)
    run("-m", "vitbench", "report", "--config", "config.json")
    run("-m", "vitbench", "compare", str(results), str(results))
    return folder


def test_the_source_tree_uses_the_notebooks_of_the_repository():
    assert REPORTS.resolve() == REPOSITORY / "reports"


def test_the_wheel_holds_the_notebooks_and_the_template(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    held = {name.removeprefix("vitbench/reports/") for name in names if name.startswith("vitbench/reports/")}
    template = {f"template/{path.name}" for path in (REPOSITORY / "reports" / "template").iterdir()}
    assert held == {"benchmark.ipynb", "comparison.ipynb"} | template


def test_an_installed_package_renders_a_report(project):
    page = (project / "results" / "made-up" / "report.html").read_text()
    assert "<h1>A made-up experiment</h1>" in page


def test_an_installed_package_renders_a_comparison(project):
    page = (project / "comparison.html").read_text()
    assert re.search("<h1>.*made-up compared with .*made-up</h1>", page)


def test_sixty_runs_of_a_hundred_epochs_give_a_page_small_enough_to_be_sent(project):
    results = project / "results" / "made-up"
    assert len(pd.read_parquet(results / "tables" / "runs.parquet")) == 60
    assert (results / "report.html").stat().st_size < 15e6
