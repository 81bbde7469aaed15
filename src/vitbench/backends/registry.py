"""The known backends by name. A new backend is a class in this package, a line here and an environment in `envs/`."""

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
    """The one instance of this process. It imports no framework. Raises KeyError if `name` is not registered."""
    module, _, cls = BACKENDS[name].partition(":")
    return getattr(importlib.import_module(module), cls)()


def backend_position(name: str) -> tuple[int, str]:
    """A sort key: registered backends first, in the order of the registry, then the others by name."""
    names = list(BACKENDS)
    return (names.index(name) if name in names else len(names)), name
