from pathlib import Path

import pytest

from vitbench import environment


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of nothing: a package of two modules in which one imports the other."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "__init__.py").write_text("")
    (tmp_path / "steps" / "train.py").write_text('"""Trains."""\nfrom vitbench import model\n\nRATE = 1\n')
    (tmp_path / "model.py").write_text("def f(x):\n    '''Doubles.'''\n    return 2 * x\n")
    (tmp_path / "figures.py").write_text("COLOUR = 1\n")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    environment._module.cache_clear()
    yield tmp_path
    environment._module.cache_clear()


def fingerprint() -> str:
    environment._module.cache_clear()
    return environment.fingerprint("vitbench.steps.train")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("steps/train.py", '"""Says more."""\nfrom vitbench import model\n\n\nRATE = 1  # a remark\n'),
        ("model.py", "def f(x):\n    '''Twice.'''\n    return (2\n            * x)\n"),
        ("figures.py", "COLOUR = 2\n"),
    ],
)
def test_what_computes_the_same_has_the_same_fingerprint(package, file, text):
    before = fingerprint()
    (package / file).write_text(text)
    assert fingerprint() == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("steps/train.py", "from vitbench import model\n\nRATE = 2\n"),
        ("model.py", "def f(x):\n    return 3 * x\n"),
    ],
)
def test_what_may_compute_something_else_has_another(package, file, text):
    before = fingerprint()
    (package / file).write_text(text)
    assert fingerprint() != before


def test_a_step_depends_on_the_files_that_it_imports(package):
    files = environment.source_files("vitbench.steps.train")
    assert sorted(Path(name).name for name in files) == ["model.py", "train.py"]


def test_the_record_of_this_machine_is_complete():
    found = environment.collect()
    assert found["device"] and found["python_version"].startswith("3.")
    assert found["memory_bytes"] > 2**30 and found["cpu"]["logical_cores"] >= 1
    assert found["packages"]["keras"] == "3.15.1"
    times = environment.process_times()
    assert times["started_at"] < times["finished_at"] and times["total_seconds"] > 0
    assert environment.peak_host_memory_bytes() > 2**20
