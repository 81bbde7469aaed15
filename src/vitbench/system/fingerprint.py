"""What the code computes, without running it: digests that decide what is repeated, and the files of a step."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# These write messages, wait for locks and compute digests; none returns a value that a result is computed from, which
# tests/unit checks. Every other module counts.
EXCLUDED = {"vitbench.system.locks", "vitbench.system.logs", "vitbench.system.fingerprint"}


def fingerprint(*modules: str) -> str:
    """A digest of what `modules`, and all of vitbench and of the working folder that they import, compute.

    It reads the syntax tree without docstrings, so that a comment, a docstring or a line break changes nothing; an edit
    that can change a number does.
    """
    digest = hashlib.sha256()
    for module, code in sorted(_closure(modules).items()):
        if module not in EXCLUDED:
            digest.update(f"{module}\n{code}\n".encode())
    return digest.hexdigest()[:16]


def source_files(*modules: str) -> list[str]:
    """The files of `modules` and of all of vitbench that they import."""
    return [str(find_module(module)) for module in sorted(_closure(modules))]


def _closure(modules: Iterable[str]) -> dict[str, str]:
    """The normalised code of `modules` and of all that they import and that has a source file here, by name."""
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and (path := find_module(module)):
            found[module], imported = _module(module, path)
            waiting += imported
    return found


@cache
def _module(name: str, path: Path) -> tuple[str, list[str]]:
    """The normalised code of a module, and the names of what it imports: modules, or what is in them."""
    tree = ast.parse(path.read_text())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        if isinstance(node, ast.ClassDef) and name.startswith("vitbench.config"):
            # The value of a config key is compared as a setting; its default and description compute nothing.
            node.body = [item for item in node.body if not isinstance(item, ast.AnnAssign)]
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            imported += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return _serialize(tree), [module for module in imported if module != "vitbench"]


def _serialize(node: object) -> str:
    """The text of a syntax tree, the same in every version of Python: `ast.dump` shows fields that only some have."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return f"{type(node).__name__}({','.join(f'{name}={_serialize(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_serialize, node))}]"
    return repr(node)


def find_module(name: str) -> Path | None:
    """The source of a module of vitbench, or of one in the working folder."""
    root = Path(__file__).parents[2] if name.split(".")[0] == "vitbench" else Path.cwd()
    path = root.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)
