"""An installed package renders reports without the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import fake_results

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder into which the package was installed from its wheel, not editable."""
    folder = tmp_path_factory.mktemp("installed")
    for part in ("pyproject.toml", "README.md", "LICENSE", "src"):
        path = REPOSITORY / part
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(path, folder / part, ignore=ignored) if path.is_dir() else shutil.copy(path, folder)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = ["--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", str(folder / "wheel"), str(folder)], check=True)
    (wheel,) = (folder / "wheel").glob("vitbench-*.whl")
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


def test_an_installed_package_renders_the_report_and_a_comparison(installed, tmp_path):
    settings = fake_results.config()
    results = fake_results.directory(tmp_path / "results", settings)
    (tmp_path / "config.json").write_text(settings.model_dump_json())
    environment = os.environ | {"PYTHONPATH": str(installed)}
    line = "import vitbench; print(vitbench.__file__)"
    imported = subprocess.run([sys.executable, "-c", line], env=environment, capture_output=True, text=True, check=True)
    assert Path(imported.stdout.strip()).is_relative_to(installed)
    for arguments in (["report", "--config", "config.json"], ["compare", str(results), str(results)]):
        ran = subprocess.run(
            [sys.executable, "-m", "vitbench", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stderr
    assert "A made-up experiment" in (results / "report.html").read_text()
    assert "compared with" in (tmp_path / "comparison.html").read_text()
