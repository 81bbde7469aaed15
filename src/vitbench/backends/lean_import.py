"""Imports Keras without the optional packages that it would import only because they are installed."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

OPTIONAL_PACKAGES = ("matplotlib", "pandas", "sklearn")  # image galleries, data frames and wrappers, which no step uses


@contextmanager
def lean_import(other_backends: Iterable[str]) -> Iterator[None]:
    """Hides the optional packages and the packages `other_backends` from what is imported in the block.

    JAX is among them on the other backends, since Keras imports it for Orbax checkpoints. They take a third of Keras'
    import time. After the block each can be imported.
    """
    hidden = [name for name in (*OPTIONAL_PACKAGES, *other_backends) if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # the import system takes None for a module that does not exist
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
