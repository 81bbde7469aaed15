"""Imports Keras without the packages that it would import only because they are installed."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

OPTIONAL_PACKAGES = (
    "matplotlib",
    "pandas",
    "sklearn",
)  # for image galleries, data frames and wrappers; no step uses them


@contextmanager
def lean_import(other_backends: Iterable[str]) -> Iterator[None]:
    """Hides the optional packages and the packages `other_backends` from the imports in the block.

    They take a third of Keras' import time. JAX is among them on the other backends, where Keras imports it for Orbax
    checkpoints. After the block every package can be imported.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in (*OPTIONAL_PACKAGES, *other_backends) if name not in modules]
    modules.update(dict.fromkeys(hidden))  # None makes the import system raise ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
