"""Where the time of a training step goes: waiting for its batch, Keras' loop and callbacks, or the step itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import keras

from vitbench.backends.process import current_backend
from vitbench.data.batches import Batches
from vitbench.measure import timing
from vitbench.measure.timing import Block, Callbacks, Clock, time_train_blocks

ROUNDS = 3  # of the loops that are only compared with; medians of fewer would be no medians


@dataclass(frozen=True)
class LoopTimes:
    """Blocks of the same steps, in loops with more and less in them.

    whole: fit, as users run it. reading_loss: the same with a callback that reads the loss at each step. same_batch:
    fit on one batch that is on the device already. alone: the step function, called again and again on that batch.
    """

    whole: list[Block]
    reading_loss: list[Block]
    same_batch: list[Block]
    alone: list[Block]

    def shares(self) -> dict[str, float]:
        """0–1, of the whole loop's time per step: input_, host_ and compute_seconds_share; their sum is 1.

        Medians of blocks are compared; what comes out as less than nothing is nothing.
        """
        whole, same, alone = (timing.step_seconds(part) for part in (self.whole, self.same_batch, self.alone))
        waiting = max(0.0, whole - same) / whole
        host = min(max(0.0, same - alone) / whole, 1 - waiting)
        return {
            "input_seconds_share": waiting,
            "host_seconds_share": host,
            "compute_seconds_share": 1 - waiting - host,
        }


class LossReader(keras.callbacks.Callback):
    """Reads the loss at the end of each step, as a progress bar does, and so waits for the device."""

    def on_train_batch_end(self, batch, logs=None):
        self.loss = float(logs["loss"])


def time_loops(
    model: keras.Model,
    batches: Batches,
    blocks: int,
    callbacks: Callbacks = (),
    on_whole: Callbacks = (),
    clock: Clock = time.perf_counter,
) -> LoopTimes:
    """Times `blocks` blocks of the whole loop and up to ROUNDS of each other.

    They take turns, so that all see the same machine. callbacks: of every fit, as a user's would be. on_whole: of the
    whole loop alone. Raises execution.NotAsPlannedError if something is compiled meanwhile.
    """
    kept, found = repeat_first_batch(batches), LoopTimes([], [], [], [])
    images = len(batches) * batches.batch_size
    time_bare_steps(model, kept, len(batches))
    for done in range(blocks):
        found.whole.extend(time_train_blocks(model, batches, 1, (*callbacks, *on_whole), clock))
        if done < ROUNDS:
            found.reading_loss.extend(time_train_blocks(model, batches, 1, (*callbacks, LossReader()), clock))
            found.same_batch.extend(time_train_blocks(model, batches, 1, callbacks, clock, fed=kept))
            seconds = time_bare_steps(model, kept, len(batches), clock)
            found.alone.append(Block(len(batches), images, seconds))
    return found


def repeat_first_batch(batches: Batches):
    """What fit takes to train `len(batches)` steps on the first batch, without drawing or moving one."""
    return current_backend().repeat_batch(*batches[0], steps=len(batches))


def time_bare_steps(model: keras.Model, batches, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of `steps` training steps with neither Keras' loop nor callbacks around them, nor anything between them.

    `batches` must hold as many. The model has been trained before.
    """
    step_function, per_call, seconds = model.train_function, model.steps_per_execution, []

    def all_steps(*state_and_iterator):
        *state, iterator = state_and_iterator
        if isinstance(iterator, list):  # torch is handed the batches, and compiles anew for every number of them
            iterator = iterator[:1]
        model.steps_per_execution = per_call
        current_backend().synchronize()
        began = clock()
        for _ in range(-(-steps // per_call)):
            outcome = step_function(*state, iterator)
            if state:  # JAX' steps are functions of the state, and return it behind the logs
                state = [outcome[1]]
        current_backend().synchronize()
        seconds.append(clock() - began)
        return outcome

    model.train_function, model.steps_per_execution = all_steps, steps
    try:
        model.fit(batches, verbose=0, shuffle=False)
    finally:
        model.train_function, model.steps_per_execution = step_function, per_call
    return seconds[0]
