import ast
import inspect
from pathlib import Path

import pytest

import vitbench
from vitbench.backends.base import Backend
from vitbench.backends.registry import BACKENDS, backend_position, get_backend
from vitbench.models.native.registry import NATIVE_VITS

SOURCE = Path(vitbench.__file__).parent
BACKEND_PACKAGE = SOURCE / "backends"


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_is_registered_under_its_name_and_is_complete(name):
    backend = get_backend(name)
    assert backend.name == name and isinstance(backend, Backend)
    assert not inspect.isabstract(type(backend))
    for attribute in ("keras_name", "package", "distributions", "colour", "marker"):
        assert getattr(backend, attribute)
    assert get_backend(name) is backend


def test_each_backend_has_a_colour_and_marker_of_its_own():
    backends = [get_backend(name) for name in BACKENDS]
    assert (
        len({backend.colour for backend in backends}) == len({backend.marker for backend in backends}) == len(BACKENDS)
    )


def test_the_backends_with_a_native_model_are_those_that_say_so():
    assert {name for name in BACKENDS if get_backend(name).has_native_vit} == set(NATIVE_VITS)


def test_an_unknown_backend_is_a_key_error():
    with pytest.raises(KeyError):
        get_backend("theano")


def test_backends_are_sorted_in_the_order_of_the_registry_then_by_name():
    assert sorted(["zz", "torch", "aa", "jax"], key=backend_position) == ["jax", "torch", "aa", "zz"]


def test_backend_modules_import_no_framework_when_they_are_imported():
    packages = {get_backend(name).package for name in BACKENDS} | {"keras", "numpy"}
    for path in set(BACKEND_PACKAGE.glob("*.py")) - {BACKEND_PACKAGE / "cuda_graph.py"}:  # imported by a method
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                imported = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported = {node.module.split(".")[0]}
            else:
                continue
            assert not imported & packages, path


def find_backend_comparisons(path: Path) -> list[str]:
    """The lines of a module that compare something with the name of a backend, or ask Keras for its own."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            compared = [node.left, *node.comparators]
        elif isinstance(node, ast.match_case):
            compared = [node.pattern]
        elif isinstance(node, ast.Dict):  # {"torch": …}[backend] is a comparison in disguise
            compared = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith":
            compared = node.args
        elif isinstance(node, ast.Attribute) and ast.unparse(node).endswith("backend.backend"):
            lines.append(f"{path}:{node.lineno}: {ast.unparse(node)}()")
            continue
        else:
            continue
        constants = [inner.value for each in compared for inner in ast.walk(each) if isinstance(inner, ast.Constant)]
        if set(BACKENDS) & {value for value in constants if isinstance(value, str)}:
            lines.append(f"{path}:{getattr(node, 'lineno', '?')}")
    return lines


NATIVE_REGISTRY = SOURCE / "models" / "native" / "registry.py"  # its keys are data: which backends have a native model


def test_only_the_package_backends_compares_the_names_of_backends():
    modules = [path for path in SOURCE.rglob("*.py") if BACKEND_PACKAGE not in path.parents]
    assert len(modules) > 50
    assert [line for path in modules if path != NATIVE_REGISTRY for line in find_backend_comparisons(path)] == []


@pytest.mark.parametrize(
    "code",
    [
        'if backend == "torch": pass',
        'x = 1 if "jax" != name else 2',
        'y = backend in ("jax", "torch")',
        'match backend:\n    case "tensorflow" | "jax":\n        pass',
        'z = {"jax": 1, "torch": 2}[backend]',
        'backend.startswith("tensorflow")',
        "keras.backend.backend()",
        "from keras import backend as b\nkeras.config.backend.backend()",
    ],
)
def test_a_comparison_with_the_name_of_a_backend_is_found(tmp_path, code):
    (tmp_path / "module.py").write_text(code)
    assert find_backend_comparisons(tmp_path / "module.py")
