"""Fingerprints of the code of a step. A job is repeated when the fingerprint of its step changes."""

import ast
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LAZY_IMPORT = re.compile(r"vitbench(\.\w+)+:\w+$")  # a "module:name" in a registry counts as an import
SOURCE = Path(__file__).parents[2]  # the folder that holds the package

# These modules write messages, wait for locks and compute fingerprints. A test checks that none returns a value from
# which a result is computed. Every other module counts.
EXCLUDED = {"vitbench.system.locks", "vitbench.system.logs", "vitbench.system.fingerprint"}


def fingerprint(*modules: str, source: Path = SOURCE) -> str:
    """A digest of the code of `modules` and of all modules of vitbench and of the working folder that they import.

    It is computed from the syntax trees without docstrings, so comments, docstrings and line breaks do not change it.
    It is the same in every version of Python.

    source: the folder that holds the package vitbench.
    """
    digest = hashlib.sha256()
    for module, code in sorted(_import_closure(modules, source).items()):
        if module not in EXCLUDED:
            digest.update(f"{module}\n{code}\n".encode())
    return digest.hexdigest()[:16]


def source_files(*modules: str, source: Path = SOURCE) -> list[str]:
    """The files of `modules` and of all modules of vitbench and of the working folder that they import."""
    return [str(find_module(module, source)) for module in sorted(_import_closure(modules, source))]


def notebook_imports(notebook: Path) -> list[str]:
    """What the code cells of a notebook import: names of modules, or of objects in modules."""
    cells = json.loads(notebook.read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return sorted(_parse_module(notebook.stem, False, code)[1])


def find_module(name: str, source: Path = SOURCE) -> Path | None:
    """The file of a module of vitbench or of the working folder; None if there is no such file."""
    root = source if name.split(".")[0] == "vitbench" else Path.cwd()
    path = root.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def _import_closure(modules: Iterable[str], source: Path) -> dict[str, str]:
    """The normalised code of `modules` and of every module that they import and `find_module` finds, by name."""
    code: dict[str, str] = {}
    names, waiting = set(modules), list(modules)
    while waiting:
        module = waiting.pop()
        if path := find_module(module, source):
            code[module], imported = _parse_module(module, path.name == "__init__.py", path.read_text())
            waiting += imported - names
            names |= imported
    return code


@cache
def _parse_module(name: str, is_package: bool, text: str) -> tuple[str, set[str]]:
    """The normalised code of a module, and what it imports: names of modules, or of objects in modules."""
    tree = ast.parse(text)
    package = name if is_package else name.rpartition(".")[0]
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        if isinstance(node, ast.ClassDef) and name.startswith("vitbench.config"):
            # A rule compares the values of config keys as settings. Their defaults and descriptions compute nothing.
            node.body = [item for item in node.body if not isinstance(item, ast.AnnAssign)]
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and LAZY_IMPORT.match(node.value):
            imported.add(node.value.partition(":")[0])
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            imported |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return _serialize(tree), imported - {"vitbench"}


def _serialize(node: object) -> str:
    """A syntax tree as text. `ast.dump` would show fields that only some versions of Python have."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return f"{type(node).__name__}({','.join(f'{name}={_serialize(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_serialize, node))}]"
    return repr(node)
