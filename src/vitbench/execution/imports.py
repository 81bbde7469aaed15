"""What Keras imports only because it is installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DISPENSABLE = ("jax", "matplotlib", "pandas", "sklearn", "tensorflow", "torch")


@contextmanager
def of(backend: str) -> Iterator[None]:
    """While Keras is imported: what it would import beside `backend`, and no step asks of it, is as if not installed.

    Orbax checkpoints (JAX), image galleries (Matplotlib), data frames (pandas) and wrappers (scikit-learn) take Keras a
    third of its import's time, and on no backend but one do they belong to it. Afterwards each can be imported.
    """
    hidden = [name for name in DISPENSABLE if name != backend and name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # the import system takes None for a module that is not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
