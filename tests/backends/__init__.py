"""Workers import Keras at their top: as the commands do, without what it takes along."""

import os

from vitbench.execution import imports

if "KERAS_BACKEND" in os.environ:
    with imports.of(os.environ["KERAS_BACKEND"]):
        import keras  # noqa: F401
