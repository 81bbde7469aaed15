import ast
import shutil
from pathlib import Path

import pytest

from vitbench.config.builders import check_builders
from vitbench.config.loading import ConfigError, parse
from vitbench.system import fingerprint
from vitbench.system.fingerprint import EXCLUDED


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of nothing: a package of two modules in which one imports the other."""
    (tmp_path / "vitbench" / "steps").mkdir(parents=True)
    (tmp_path / "vitbench" / "steps" / "__init__.py").write_text("")
    (tmp_path / "vitbench" / "steps" / "train.py").write_text('"""Trains."""\nfrom vitbench import model\n\nRATE = 1\n')
    (tmp_path / "vitbench" / "model.py").write_text("def f(x):\n    '''Doubles.'''\n    return 2 * x\n")
    (tmp_path / "vitbench" / "figures.py").write_text("COLOUR = 1\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "net.py").write_text("from .parts import WIDTH\n\n\ndef build():\n    return WIDTH\n")
    (tmp_path / "mine" / "parts.py").write_text("WIDTH = 1\n")
    monkeypatch.setattr(fingerprint, "__file__", str(tmp_path / "vitbench" / "source_code.py"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fingerprint() -> str:
    fingerprint._module.cache_clear()
    return fingerprint.fingerprint("vitbench.steps.train", "mine.net")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("vitbench/steps/train.py", '"""Says more."""\nfrom vitbench import model\n\n\nRATE = 1  # a remark\n'),
        ("vitbench/model.py", "def f(x):\n    '''Twice.'''\n    return (2\n            * x)\n"),
        ("vitbench/figures.py", "COLOUR = 2\n"),
    ],
)
def test_what_computes_the_same_has_the_same_fingerprint(package, file, text):
    before = fingerprint()
    (package / file).write_text(text)
    assert fingerprint() == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("vitbench/steps/train.py", "from vitbench import model\n\nRATE = 2\n"),
        ("vitbench/model.py", "def f(x):\n    return 3 * x\n"),
        ("mine/net.py", "from .parts import WIDTH\n\n\ndef build():\n    return WIDTH + 1\n"),
        ("mine/parts.py", "WIDTH = 2\n"),
    ],
)
def test_what_may_compute_something_else_has_another(package, file, text):
    before = fingerprint()
    (package / file).write_text(text)
    assert fingerprint() != before


def test_a_step_depends_on_the_files_that_it_imports(package):
    files = fingerprint.source_files("vitbench.steps.train")
    assert sorted(Path(name).name for name in files) == ["model.py", "train.py"]


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("mine.net:biuld", "defines no 'biuld'; it defines build"),
        ("mine.nett:build", "found no module mine.nett"),
        ("mine.broken:build", "not valid Python: line 1"),
    ],
)
def test_a_builder_that_is_not_there_is_told_before_anything_is_imported(package, builder, message):
    (package / "mine" / "broken.py").write_text("def build(:\n")
    with pytest.raises(ConfigError, match=r"models\.own\.builder") as caught:
        check_builders(parse({"models": {"own": {"builder": builder}}}))
    assert message in str(caught.value)


def test_a_builder_that_is_there_or_installed_is_let_through(package):
    for builder in ("mine.net:build", "mine.net:WIDTH", "keras.applications:MobileNetV2"):
        check_builders(parse({"models": {"own": {"builder": builder}}}))


@pytest.mark.parametrize("step", ["parity", "throughput"])
@pytest.mark.parametrize("files", ["execution/*.py", "models/*.py", "native/*_vit.py"])
def test_what_is_measured_counts_whichever_backend_it_is_written_for(step, files):
    files = set(Path(fingerprint.__file__).parent.glob(files))
    assert files <= {Path(file) for file in fingerprint.source_files(f"vitbench.steps.{step}")}


SOURCE = Path(fingerprint.__file__).parent
MEASURING = ("data", "init", "sample", "tune", "parity", "train", "throughput")


def _imported_by_a_measurement() -> list[str]:
    """The modules, relative to the package, that a measuring step imports."""
    files = {file for step in MEASURING for file in fingerprint.source_files(f"vitbench.steps.{step}")}
    return sorted(str(Path(file).relative_to(SOURCE)) for file in files)


def _module_name(file: str) -> str:
    return ".".join(("vitbench", *Path(file).with_suffix("").parts)).removesuffix(".__init__")


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    return Path(shutil.copytree(SOURCE, tmp_path_factory.mktemp("copied") / "vitbench"))


def _fingerprints(package: Path, monkeypatch) -> dict[str, str]:
    monkeypatch.setattr(fingerprint, "__file__", str(package / "source_code.py"))
    fingerprint._module.cache_clear()
    return {step: fingerprint.fingerprint(f"vitbench.steps.{step}") for step in MEASURING}


@pytest.mark.parametrize("file", _imported_by_a_measurement())
def test_a_change_of_a_module_changes_the_fingerprint_of_every_step_that_imports_it(copied, monkeypatch, file):
    module, steps = (
        copied / file,
        [step for step in MEASURING if str(SOURCE / file) in fingerprint.source_files(f"vitbench.steps.{step}")],
    )
    before, text = _fingerprints(copied, monkeypatch), module.read_text()
    module.write_text(text + "\nADDED = 7\n")
    after = _fingerprints(copied, monkeypatch)
    module.write_text(text)
    changed = {step for step in MEASURING if after[step] != before[step]}
    assert changed == (set() if _module_name(file) in EXCLUDED else set(steps))


def test_the_width_of_an_attention_head_is_part_of_the_fingerprint(copied, monkeypatch):
    module = copied / "config" / "models.py"
    before, text = _fingerprints(copied, monkeypatch), module.read_text()
    line = "return self.projection_dim // self.num_heads if self.key_dim"
    assert line in text
    module.write_text(text.replace(line, "return 7 if self.key_dim"))
    after = _fingerprints(copied, monkeypatch)
    module.write_text(text)
    assert [step for step in ("tune", "parity", "train", "throughput") if after[step] == before[step]] == []


def test_the_description_of_a_config_key_is_no_part_of_the_fingerprint(copied, monkeypatch):
    module = copied / "config" / "models.py"
    before, text = _fingerprints(copied, monkeypatch), module.read_text()
    module.write_text(text.replace("Transformer blocks.", "Blocks."))
    after = _fingerprints(copied, monkeypatch)
    module.write_text(text)
    assert after == before


@pytest.mark.parametrize("name", sorted(EXCLUDED))
def test_an_excluded_module_returns_nothing_that_a_result_is_computed_from(name):
    """Its public functions and methods return nothing, a path, or text."""
    tree = ast.parse((SOURCE / f"{name.partition('.')[2].replace('.', '/')}.py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    harmless = {"None", "Iterator[None]", "Iterator[Path]", "str", "list[str]"}
    assert functions and {ast.unparse(node.returns) for node in functions if node.returns} <= harmless
    assert [node.name for node in functions if node.returns is None] == []
