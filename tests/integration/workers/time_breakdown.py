"""Where the time breakdown finds a delay of 50 ms that is planted in a training step."""

import time

import keras
import numpy as np

from vitbench.backends.plan import PUBLISHED
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.measure.breakdown import time_loops
from vitbench.models.registry import ModelParts

DELAY_SECONDS = 0.05


class SlowBatches(Batches):
    def __getitem__(self, step: int):
        time.sleep(DELAY_SECONDS)
        return super().__getitem__(step)


class SlowCallback(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(DELAY_SECONDS)


def measure_shares(delayed: str) -> dict[str, float]:
    """The shares of a step's time if `delayed`, which is "step", "input" or "callback", is slow."""
    pixels = keras.Input((4, 4, 3))
    classifier = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Flatten()(pixels)))
    model = assemble(ModelParts((4, 4, 3), [], [], classifier), PUBLISHED, keras.optimizers.SGD())
    batches_class = SlowBatches if delayed == "input" else Batches
    batches = batches_class(np.zeros((8, 4, 4, 3), np.uint8), np.zeros(8, np.int32), batch_size=4, steps=4)
    model.fit(batches, epochs=2, verbose=0)
    if delayed == "step":
        model.train_function = slow_down(model.train_function)
    callbacks = (SlowCallback(),) if delayed == "callback" else ()
    return time_loops(model, batches, 3, callbacks).shares()


def slow_down(function):
    def slow_function(*arguments):
        time.sleep(DELAY_SECONDS)
        return function(*arguments)

    return slow_function
