import importlib
import sys

import pytest

from vitbench.backends.lean_import import lean_import


@pytest.fixture
def packages(tmp_path, monkeypatch) -> tuple[str, str]:
    names = ("another_backend", "installed_package")
    for name in names:
        (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield names
    for name in names:
        sys.modules.pop(name, None)


def test_the_other_backends_can_be_imported_only_after_the_block(packages):
    hidden, visible = packages
    with lean_import([hidden]):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(hidden)
        assert importlib.import_module(visible).VALUE == 1
    assert importlib.import_module(hidden).VALUE == 1


def test_a_package_that_is_already_imported_stays_imported(packages):
    hidden, _ = packages
    module = importlib.import_module(hidden)
    with lean_import([hidden]):
        assert importlib.import_module(hidden) is module
    assert sys.modules[hidden] is module


def test_packages_are_visible_again_after_an_error(packages):
    hidden, _ = packages
    with pytest.raises(RuntimeError), lean_import([hidden]):
        raise RuntimeError
    assert importlib.import_module(hidden).VALUE == 1
