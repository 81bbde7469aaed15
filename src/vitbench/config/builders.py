"""Checks that the builder of each custom model exists, without importing it."""

import ast
import importlib.util
from pathlib import Path

from vitbench.config.loading import ConfigError
from vitbench.config.models import CustomModel
from vitbench.config.schema import Config
from vitbench.system.fingerprint import find_module


def check_builders(config: Config) -> None:
    """Raises ConfigError if the module or the function of a custom model does not exist. Nothing is imported."""
    for name, parameters in config.models.parameters().items():
        if isinstance(parameters, CustomModel):
            _check_builder(f"models.{name}.builder", parameters.module, parameters.function)


def _check_builder(key: str, module: str, function: str) -> None:
    path = find_module(module)
    if path is None:
        if importlib.util.find_spec(module.split(".")[0]) is None:
            raise ConfigError(f"{key}: found no module {module} in {Path.cwd()}, and no installed package has it")
        return  # it is in an installed package; the step init imports it
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError as error:
        raise ConfigError(f"{key}: {path} is not valid Python: line {error.lineno}: {error.msg}") from None
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    defined += [
        t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)
    ]
    imported = [alias.asname or alias.name for node in imports for alias in node.names]
    if function not in (*defined, *imported):
        raise ConfigError(f"{key}: {path} defines no {function!r}; it defines {', '.join(defined) or 'nothing'}")
