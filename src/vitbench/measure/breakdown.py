"""Where the time of a training step goes: waiting for its batch, Keras' loop and callbacks, or the step itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import keras

from vitbench.backends.process import current_backend
from vitbench.data.batches import Batches
from vitbench.measure.timing import Block, Callbacks, Clock, step_seconds, time_train_blocks

COMPARED_BLOCKS = 3  # of each loop that the whole loop is compared with, for a median


@dataclass(frozen=True)
class LoopTimes:
    """Blocks of the same steps in four loops.

    whole: fit, as users run it.
    reading_loss: fit with a callback that reads the loss at each step.
    same_batch: fit on one batch that is already on the device.
    alone: the step function, called repeatedly on that batch without Keras' loop.
    """

    whole: list[Block]
    reading_loss: list[Block]
    same_batch: list[Block]
    alone: list[Block]

    def shares(self) -> dict[str, float]:
        """The columns input_, host_ and compute_seconds_share: shares of the whole loop's time per step, 0–1.

        Their sum is 1. input = (whole − same_batch) / whole, host = (same_batch − alone) / whole, and compute is the
        rest. The times are medians over blocks. A negative difference counts as zero.
        """
        whole, same_batch, alone = (step_seconds(blocks) for blocks in (self.whole, self.same_batch, self.alone))
        waiting = max(0.0, whole - same_batch) / whole
        host = min(max(0.0, same_batch - alone) / whole, 1 - waiting)
        return {
            "input_seconds_share": waiting,
            "host_seconds_share": host,
            "compute_seconds_share": 1 - waiting - host,
        }


class LossReader(keras.callbacks.Callback):
    """Reads the loss at the end of each step, as a progress bar does, which waits for the device."""

    def on_train_batch_end(self, batch, logs):
        self.loss = float(logs["loss"])


def time_loops(
    model: keras.Model,
    batches: Batches,
    blocks: int,
    callbacks: Callbacks = (),
    clock: Clock = time.perf_counter,
) -> LoopTimes:
    """Times `blocks` blocks of the whole loop and up to COMPARED_BLOCKS of each other loop.

    The loops take turns, so that a change of the machine's speed affects all of them. callbacks: for every loop.
    Raises NotAsPlannedError if something is compiled meanwhile.
    """
    repeated, times = repeat_first_batch(batches), LoopTimes([], [], [], [])
    images = len(batches) * batches.batch_size
    time_bare_steps(model, repeated, len(batches))
    for completed in range(blocks):
        times.whole.extend(time_train_blocks(model, batches, 1, callbacks, clock))
        if completed < COMPARED_BLOCKS:
            times.reading_loss.extend(time_train_blocks(model, batches, 1, (*callbacks, LossReader()), clock))
            times.same_batch.extend(time_train_blocks(model, batches, 1, callbacks, clock, repeated_batch=repeated))
            seconds = time_bare_steps(model, repeated, len(batches), clock)
            times.alone.append(Block(len(batches), images, seconds))
    return times


def repeat_first_batch(batches: Batches):
    """An input for fit: `len(batches)` steps on the first batch, which stays on the device."""
    return current_backend().repeat_batch(*batches[0], steps=len(batches))


def time_bare_steps(model: keras.Model, batches, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of `steps` training steps without Keras' loop and callbacks.

    `batches` must have that many steps. The model must have been trained before.
    """
    step_function, per_call, seconds = model.train_function, model.steps_per_execution, []

    def run_steps(*state_and_iterator):
        *state, iterator = state_and_iterator
        if isinstance(iterator, list):  # torch gets a list of batches, and would compile for each length
            iterator = iterator[:1]
        model.steps_per_execution = per_call
        current_backend().synchronize()
        started = clock()
        for _ in range(-(-steps // per_call)):
            outcome = step_function(*state, iterator)
            if state:  # on JAX a step takes the state and returns the logs and the new state
                state = [outcome[1]]
        current_backend().synchronize()
        seconds.append(clock() - started)
        return outcome

    model.train_function, model.steps_per_execution = run_steps, steps
    try:
        model.fit(batches, verbose=0, shuffle=False)
    finally:
        model.train_function, model.steps_per_execution = step_function, per_call
    return seconds[0]
