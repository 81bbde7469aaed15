"""The registered backends by name. `Backend` in `vitbench.backends.base` says how to add one."""

import importlib
from functools import cache

from vitbench.backends.base import Backend

BACKENDS = {  # name in configs → module:class
    "jax": "vitbench.backends.jax:JaxBackend",
    "torch": "vitbench.backends.torch:TorchBackend",
    "tensorflow": "vitbench.backends.tensorflow:TensorflowBackend",
}


@cache
def get_backend(name: str) -> Backend:
    """The backend `name`, one instance per process. No framework is imported. Raises KeyError for an unknown name."""
    module, _, class_name = BACKENDS[name].partition(":")
    return getattr(importlib.import_module(module), class_name)()


def backend_position(name: str) -> tuple[int, str]:
    """A sort key: registered backends in the order of the registry, then any others by name."""
    names = list(BACKENDS)
    return (names.index(name) if name in names else len(names)), name
