from pathlib import Path

import pytest

from vitbench import source_code
from vitbench.config.errors import ConfigError, parse


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
    monkeypatch.setattr(source_code, "__file__", str(tmp_path / "vitbench" / "source_code.py"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fingerprint() -> str:
    source_code._module.cache_clear()
    return source_code.fingerprint("vitbench.steps.train", "mine.net")


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
    files = source_code.source_files("vitbench.steps.train")
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
        source_code.check_builders(parse({"models": {"own": {"builder": builder}}}))
    assert message in str(caught.value)


def test_a_builder_that_is_there_or_installed_is_let_through(package):
    for builder in ("mine.net:build", "mine.net:WIDTH", "keras.applications:MobileNetV2"):
        source_code.check_builders(parse({"models": {"own": {"builder": builder}}}))


@pytest.mark.parametrize("step", ["parity", "throughput"])
@pytest.mark.parametrize("files", ["execution/*.py", "models/*.py", "native/*_vit.py"])
def test_what_is_measured_counts_whichever_backend_it_is_written_for(step, files):
    files = set(Path(source_code.__file__).parent.glob(files))
    assert files <= {Path(file) for file in source_code.source_files(f"vitbench.steps.{step}")}
