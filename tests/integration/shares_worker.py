"""Where 50 ms that are planted in a step are found: KERAS_BACKEND=… python -m integration.shares_worker FOLDER"""

import json
import os
import sys
import time
from pathlib import Path

import keras
import numpy as np

from vitbench.backends.plan import PUBLISHED
from vitbench.backends.process import start_backend
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.measure.breakdown import time_loops
from vitbench.models.registry import ModelParts

PLANTED_SECONDS = 0.05


class SlowBatches(Batches):
    def __getitem__(self, step: int):
        time.sleep(PLANTED_SECONDS)
        return super().__getitem__(step)


class SlowCallback(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(PLANTED_SECONDS)


def slowed(step_function):
    def step(*arguments):
        time.sleep(PLANTED_SECONDS)
        return step_function(*arguments)

    return step


def found(where: str) -> dict:
    pixels = keras.Input((4, 4, 3))
    classifier = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Flatten()(pixels)))
    model = assemble(ModelParts((4, 4, 3), [], [], classifier), PUBLISHED, keras.optimizers.SGD())
    kind = SlowBatches if where == "input" else Batches
    batches = kind(np.zeros((8, 4, 4, 3), np.uint8), np.zeros(8, np.int32), batch_size=4, steps=4)
    model.fit(batches, epochs=2, verbose=0)
    if where == "step":
        model.train_function = slowed(model.train_function)
    callbacks = (SlowCallback(),) if where == "callback" else ()
    return time_loops(model, batches, 3, callbacks).shares()


if __name__ == "__main__":
    start_backend(os.environ["KERAS_BACKEND"], "float32", "cpu")
    of_each = {where: found(where) for where in ("step", "input", "callback")}
    Path(sys.argv[1], f"{os.environ['KERAS_BACKEND']}.json").write_text(json.dumps(of_each))
