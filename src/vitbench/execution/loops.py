"""Training steps with less and less around them, so that what is left out can be told by the difference."""

import time
from collections.abc import Callable

import keras

from vitbench.execution.devices import synchronize
from vitbench.feeding import Batches


class SameBatch(keras.utils.PyDataset):
    """One batch, on the device, over and over: `steps` times an epoch."""

    def __init__(self, batch: tuple, steps: int):
        super().__init__()
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int):
        return self.batch


def same_batch(batches: Batches):
    """What fit can be given to train `len(batches)` steps on the first batch, without drawing or moving any."""
    images, labels = batches[0]
    if keras.backend.backend() != "tensorflow":
        tensors = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels)
        return SameBatch(tensors, len(batches))
    import tensorflow as tf

    def of_any_size(*tensors):  # as the batches that Keras draws, or the step would be traced anew
        return tuple(tf.compat.v1.placeholder_with_default(x, [None, *x.shape[1:]]) for x in tensors)

    return tf.data.Dataset.from_tensors((images, labels)).map(of_any_size).cache().repeat(len(batches))


def steps_alone(model: keras.Model, batches, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of `steps` training steps with neither Keras' loop nor callbacks around them, nor anything between them.

    `batches` must hold as many. The model has been trained before.
    """
    step_function, per_call, seconds = model.train_function, model.steps_per_execution, []

    def all_steps(*state_and_iterator):
        *state, iterator = state_and_iterator
        if isinstance(iterator, list):  # torch is handed the batches, and compiles anew for every number of them
            iterator = iterator[:1]
        model.steps_per_execution = per_call
        synchronize()
        began = clock()
        for _ in range(-(-steps // per_call)):
            outcome = step_function(*state, iterator)
            if state:  # JAX' steps are functions of the state, and return it behind the logs
                state = [outcome[1]]
        synchronize()
        seconds.append(clock() - began)
        return outcome

    model.train_function, model.steps_per_execution = all_steps, steps
    try:
        model.fit(batches, verbose=0, shuffle=False)
    finally:
        model.train_function, model.steps_per_execution = step_function, per_call
    return seconds[0]
