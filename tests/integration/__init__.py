"""Workers import Keras at their top. Like the commands, they import it without the packages that they do not need."""

import os

from vitbench.backends.lean_import import lean_import
from vitbench.backends.registry import BACKENDS, get_backend

if "KERAS_BACKEND" in os.environ:
    packages = {get_backend(name).package for name in BACKENDS}
    with lean_import(packages - {os.environ["KERAS_BACKEND"]}):
        import keras  # noqa: F401
