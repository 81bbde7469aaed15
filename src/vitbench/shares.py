"""Where the time of a training step goes: waiting for its batch, Keras' loop and callbacks, or the step itself."""

import time
from dataclasses import dataclass

import keras

from vitbench import timing
from vitbench.execution import loops
from vitbench.feeding import Batches
from vitbench.timing import Block, Callbacks, Clock

ROUNDS = 3  # of the loops that are only compared with; medians of fewer would be no medians


@dataclass(frozen=True)
class Loops:
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


class ReadsLoss(keras.callbacks.Callback):
    """Reads the loss at the end of each step, as a progress bar does, and so waits for the device."""

    def on_train_batch_end(self, batch, logs=None):
        self.loss = float(logs["loss"])


def timed(
    model: keras.Model,
    batches: Batches,
    blocks: int,
    callbacks: Callbacks = (),
    on_whole: Callbacks = (),
    clock: Clock = time.perf_counter,
) -> Loops:
    """Times `blocks` blocks of the whole loop and up to ROUNDS of each other.

    They take turns, so that all see the same machine. callbacks: of every fit, as a user's would be. on_whole: of the
    whole loop alone. Raises execution.NotAsPlannedError if something is compiled meanwhile.
    """
    kept, found = loops.same_batch(batches), Loops([], [], [], [])
    images = len(batches) * batches.batch_size
    loops.steps_alone(model, kept, len(batches))
    for done in range(blocks):
        found.whole.extend(timing.train_blocks(model, batches, 1, (*callbacks, *on_whole), clock))
        if done < ROUNDS:
            found.reading_loss.extend(timing.train_blocks(model, batches, 1, (*callbacks, ReadsLoss()), clock))
            found.same_batch.extend(timing.train_blocks(model, batches, 1, callbacks, clock, fed=kept))
            seconds = loops.steps_alone(model, kept, len(batches), clock)
            found.alone.append(Block(len(batches), images, seconds))
    return found
