import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from vitbench.system.fingerprint import EXCLUDED, SOURCE, fingerprint, notebook_imports, source_files

MEASURING_STEPS = ("data", "init", "sample", "tune", "parity", "train", "throughput")


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package vitbench whose step train imports one of two modules, and a user's package, in the working folder."""
    files = {
        "vitbench/steps/__init__.py": "",
        "vitbench/steps/train.py": '"""Trains."""\nfrom vitbench import model\n\nRATE = 1\n',
        "vitbench/model.py": "def f(x):\n    '''Doubles.'''\n    return 2 * x\n",
        "vitbench/figures.py": "COLOUR = 1\n",
        "mine/net.py": "from .parts import WIDTH\n\n\ndef build():\n    return WIDTH\n",
        "mine/parts.py": "WIDTH = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("vitbench/steps/train.py", '"""Trains a model."""\nfrom vitbench import model\n\n\nRATE = 1  # per step\n'),
        ("vitbench/model.py", "def f(x):\n    '''Multiplies by two.'''\n    return (2\n            * x)\n"),
        ("vitbench/figures.py", "COLOUR = 2\n"),
    ],
)
def test_comments_docstrings_line_breaks_and_unused_modules_do_not_change_the_fingerprint(package, file, text):
    before = fingerprint("vitbench.steps.train", "mine.net", source=package)
    (package / file).write_text(text)
    assert fingerprint("vitbench.steps.train", "mine.net", source=package) == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("vitbench/steps/train.py", "from vitbench import model\n\nRATE = 2\n"),
        ("vitbench/model.py", "def f(x):\n    return 3 * x\n"),
        ("mine/net.py", "from .parts import WIDTH\n\n\ndef build():\n    return WIDTH + 1\n"),
        ("mine/parts.py", "WIDTH = 2\n"),
    ],
)
def test_changed_code_changes_the_fingerprint(package, file, text):
    before = fingerprint("vitbench.steps.train", "mine.net", source=package)
    (package / file).write_text(text)
    assert fingerprint("vitbench.steps.train", "mine.net", source=package) != before


def test_the_source_files_of_a_step_are_those_that_it_imports(package):
    files = source_files("vitbench.steps.train", source=package)
    assert sorted(Path(name).name for name in files) == ["model.py", "train.py"]


@pytest.mark.parametrize(
    ("step", "files"),
    [
        ("throughput", "backends/*.py"),
        ("throughput", "execution/*.py"),
        ("throughput", "models/*.py"),
        ("throughput", "models/native/*_vit.py"),
        ("parity", "backends/*.py"),
        ("parity", "models/native/*_vit.py"),
        ("parity", "parity/[!g]*.py"),  # all but the gate
    ],
)
def test_code_for_every_backend_is_part_of_a_step_s_sources(step, files):
    expected = {path for path in (SOURCE / "vitbench").glob(files) if path.name != "__init__.py"}
    assert expected and expected <= {Path(file) for file in source_files(f"vitbench.steps.{step}")}


def imported_by_measuring_steps() -> list[str]:
    files = {file for step in MEASURING_STEPS for file in source_files(f"vitbench.steps.{step}")}
    return sorted(str(Path(file).relative_to(SOURCE)) for file in files)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A folder with a copy of the package, whose files a test may change for a moment."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(SOURCE / "vitbench", folder / "vitbench", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def step_fingerprints(source: Path) -> dict[str, str]:
    return {step: fingerprint(f"vitbench.steps.{step}", source=source) for step in MEASURING_STEPS}


@pytest.fixture(scope="module")
def fingerprints(copy) -> dict[str, str]:
    """The fingerprint of each measuring step while nothing is changed."""
    return step_fingerprints(copy)


@pytest.fixture(scope="module")
def sources(copy) -> dict[str, set[str]]:
    """The source files of each measuring step."""
    return {step: set(source_files(f"vitbench.steps.{step}", source=copy)) for step in MEASURING_STEPS}


def fingerprints_after(module: Path, text: str) -> dict[str, str]:
    """The fingerprints of the steps while the copied module has another text."""
    original = module.read_text()
    module.write_text(text)
    try:
        return step_fingerprints(next(folder.parent for folder in module.parents if folder.name == "vitbench"))
    finally:
        module.write_text(original)


@pytest.mark.parametrize("file", imported_by_measuring_steps())
def test_a_changed_module_changes_the_fingerprint_of_every_step_that_imports_it(copy, fingerprints, sources, file):
    after = fingerprints_after(copy / file, (copy / file).read_text() + "\nADDED = 7\n")
    changed = {step for step in MEASURING_STEPS if after[step] != fingerprints[step]}
    importing = {step for step in MEASURING_STEPS if str(copy / file) in sources[step]}
    name = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    assert importing and changed == (set() if name in EXCLUDED else importing)


def test_the_width_of_an_attention_head_is_part_of_the_fingerprint(copy, fingerprints):
    models = copy / "vitbench" / "config" / "models.py"
    old = "return self.projection_dim // self.num_heads if"
    assert old in models.read_text()
    after = fingerprints_after(models, models.read_text().replace(old, "return 7 if"))
    steps = ("tune", "parity", "train", "throughput")
    assert [step for step in steps if after[step] == fingerprints[step]] == []


def test_the_description_of_a_config_key_is_not_part_of_the_fingerprint(copy, fingerprints):
    models = copy / "vitbench" / "config" / "models.py"
    old = "Number of transformer blocks."
    assert old in models.read_text()
    assert fingerprints_after(models, models.read_text().replace(old, "Blocks.")) == fingerprints


@pytest.mark.parametrize("name", sorted(EXCLUDED))
def test_an_excluded_module_returns_nothing_that_a_result_is_computed_from(name):
    """Its public functions and methods return nothing, a path or text."""
    tree = ast.parse((SOURCE / name.replace(".", "/")).with_suffix(".py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    harmless = {"None", "Iterator[None]", "Iterator[Path]", "Path", "Path | None", "str", "list[str]"}
    assert functions and [node.name for node in functions if node.returns is None] == []
    assert {ast.unparse(node.returns) for node in functions if node.returns} <= harmless


def installed_pythons() -> list[str]:
    names = [f"python3.{minor}" for minor in range(11, 16)]
    folders = [*os.environ["PATH"].split(os.pathsep), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    programs: dict[str, str] = {}
    for name in names:
        for folder in folders:
            if "shims" not in folder and (path := shutil.which(name, path=folder)):
                programs.setdefault(name, path)
    return list(programs.values())


@pytest.mark.skipif(len(installed_pythons()) < 2, reason="only one version of Python is installed")
def test_every_version_of_python_computes_the_same_fingerprint():
    line = "from vitbench.system.fingerprint import fingerprint; print(fingerprint('vitbench.steps.train'))"
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    digests = set()
    for python in installed_pythons():
        completed = subprocess.run([python, "-c", line], env=environment, capture_output=True, text=True, timeout=60)
        assert completed.returncode == 0, completed.stderr
        digests.add(completed.stdout)
    assert len(digests) == 1


def test_the_sources_of_the_report_include_what_its_notebook_imports():
    imported = source_files(*notebook_imports(SOURCE.parent / "reports" / "benchmark.ipynb"))
    files = {Path(file).relative_to(SOURCE / "vitbench").as_posix() for file in imported}
    assert {"report/figures/bars.py", "report/tables/speed.py", "report/html.py", "analysis/load.py"} <= files
    assert not {file for file in files if file.startswith("steps/")}
