"""Clocks, synchronisation and timed blocks."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from vitbench import execution
from vitbench.feeding import Batches

Clock = Callable[[], float]


@dataclass(frozen=True)
class Block:
    """Consecutive steps, timed as one, the device synchronised at both ends."""

    steps: int
    images: int
    seconds: float


def images_per_second(blocks: list[Block]) -> float:
    """Median over blocks of a block's images ÷ the same block's seconds."""
    return statistics.median(block.images / block.seconds for block in blocks)


def step_seconds(blocks: list[Block]) -> float:
    """Median over blocks of seconds per step."""
    return statistics.median(block.seconds / block.steps for block in blocks)


class BlockClock(keras.callbacks.Callback):
    """Times each epoch of a fit as one block. It looks at no batch, so it forces no synchronisation within a block."""

    def __init__(self, clock: Clock = time.perf_counter):
        super().__init__()
        self.clock = clock
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        execution.synchronize()
        self._began = self.clock()

    def on_epoch_end(self, epoch, logs=None):
        execution.synchronize()
        self.seconds.append(self.clock() - self._began)


class StepClock(keras.callbacks.Callback):
    """Times each step, synchronising after it; slower than a block's steps, but it shows how they scatter."""

    def __init__(self, clock: Clock = time.perf_counter):
        super().__init__()
        self.clock = clock
        self.begun: list[float] = []
        self.ended: list[float] = []

    @property
    def seconds(self) -> list[float]:
        return [end - begin for begin, end in zip(self.begun, self.ended, strict=True)]

    def _begin(self, batch, logs=None):
        self.begun.append(self.clock())

    def _end(self, batch, logs=None):
        execution.synchronize()
        self.ended.append(self.clock())

    on_train_batch_begin = on_predict_batch_begin = _begin
    on_train_batch_end = on_predict_batch_end = _end


def first_step(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds of the first training step, compilation included. The model comes back as it was before it.

    So training starts where it would have started without it.
    """
    with put_back(model):
        began = clock()
        model.fit(_of_steps(batches, 1), verbose=0)
        execution.synchronize()
        return clock() - began


@contextmanager
def put_back(model: keras.Model) -> Iterator[None]:
    """At the end the model and its optimiser are as they were: weights, optimiser state and random state."""
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    yield
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def first_inference(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds until the logits of a first batch are on the host, compilation included."""
    began = clock()
    model.predict(_of_steps(batches, 1), verbose=0)
    return clock() - began


def train_blocks(
    model: keras.Model,
    batches: Batches,
    warmup_steps: int,
    blocks: int,
    block_seconds: float,
    clock: Clock = time.perf_counter,
) -> list[Block]:
    """Times `blocks` blocks of training steps, after at least `warmup_steps` that are not counted.

    Each is an epoch of one fit, of at least `len(batches)` steps and about `block_seconds`. Raises
    execution.NotAsPlannedError if something is compiled meanwhile.
    """
    warmup, timed = BlockClock(clock), BlockClock(clock)
    epochs = -(-warmup_steps // len(batches))
    model.fit(batches, epochs=epochs, verbose=0, shuffle=False, callbacks=[warmup])
    batches = _lasting(batches, warmup.seconds[-1] / len(batches), block_seconds)
    compilations = execution.Compilations()
    model.fit(batches, epochs=blocks, verbose=0, shuffle=False, callbacks=[timed])
    compilations.check("in the timed training steps")
    return [_block(batches, seconds) for seconds in timed.seconds]


def train_steps(model: keras.Model, batches: Batches) -> list[float]:
    """Seconds of each of `len(batches)` training steps, synchronised one by one."""
    clock = StepClock()
    model.fit(batches, verbose=0, shuffle=False, callbacks=[clock])
    return clock.seconds


def infer(
    model: keras.Model,
    batches: Batches,
    warmup_steps: int,
    blocks: int,
    block_seconds: float,
    clock: Clock = time.perf_counter,
) -> tuple[list[Block], list[float]]:
    """Times inference, raw images in and logits back on the host at each step: blocks, and the seconds of each step.

    All timed steps, and the warm-up in front of them, are one call of predict, since each call has a cost of its own. A
    block reaches from the end of the step before it to the end of its last. Raises execution.NotAsPlannedError as
    train_blocks does.
    """
    trial, times = StepClock(clock), StepClock(clock)
    model.predict(_of_steps(batches, warmup_steps), verbose=0, callbacks=[trial])
    batches = _lasting(batches, statistics.median(trial.seconds), block_seconds)
    steps = len(batches)
    compilations = execution.Compilations()
    model.predict(_of_steps(batches, warmup_steps + blocks * steps), verbose=0, callbacks=[times])
    compilations.check("in the timed inference steps")
    ends = times.ended[warmup_steps - 1 :: steps]
    return [_block(batches, b - a) for a, b in itertools.pairwise(ends)], times.seconds[warmup_steps:]


def _of_steps(batches: Batches, steps: int) -> Batches:
    return Batches(batches.images, batches.labels, batches.batch_size, batches.seed, steps)


def _lasting(batches: Batches, step_seconds: float, block_seconds: float) -> Batches:
    """The same with as many more steps as `block_seconds` asks for, at `step_seconds` each."""
    return _of_steps(batches, max(len(batches), math.ceil(block_seconds / step_seconds)))


def _block(batches: Batches, seconds: float) -> Block:
    return Block(steps=len(batches), images=len(batches) * batches.batch_size, seconds=seconds)
