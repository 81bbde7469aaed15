"""Workers import Keras at their top: as the commands do, without what it takes along."""

import os

from vitbench.backends.lean_import import lean_import

if "KERAS_BACKEND" in os.environ:
    with lean_import(os.environ["KERAS_BACKEND"]):
        import keras  # noqa: F401
