"""Clocks, synchronisation and timed blocks."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras

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
        execution.synchronize(self.model)
        self._began = self.clock()

    def on_epoch_end(self, epoch, logs=None):
        execution.synchronize(self.model)
        self.seconds.append(self.clock() - self._began)


class StepClock(keras.callbacks.Callback):
    """Times each step, synchronising after it; slower than a block's steps, but it shows how they scatter."""

    def __init__(self, clock: Clock = time.perf_counter):
        super().__init__()
        self.clock = clock
        self.seconds: list[float] = []

    def _begin(self, batch, logs=None):
        self._began = self.clock()

    def _end(self, batch, logs=None):
        execution.synchronize(self.model)
        self.seconds.append(self.clock() - self._began)

    on_train_batch_begin = on_predict_batch_begin = _begin
    on_train_batch_end = on_predict_batch_end = _end


def first_step(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds of the first training step, compilation included. The model comes back as it was before it.

    Weights, optimiser state and random state are put back, so that training starts where it would have without.
    """
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in variables]
    one = Batches(batches.images, batches.labels, batches.batch_size, steps=1)
    began = clock()
    model.fit(one, verbose=0)
    execution.synchronize(model)
    seconds = clock() - began
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    return seconds


def train_blocks(model: keras.Model, batches: Batches, warmup_steps: int, blocks: int) -> list[Block]:
    """Times `blocks` blocks of `batches.steps` training steps, after at least `warmup_steps` that are not counted."""
    warmup_blocks = -(-warmup_steps // len(batches))
    clock = BlockClock()
    model.fit(batches, epochs=warmup_blocks + blocks, verbose=0, shuffle=False, callbacks=[clock])
    return [_block(batches, seconds) for seconds in clock.seconds[warmup_blocks:]]


def infer_blocks(model: keras.Model, batches: Batches, warmup_steps: int, blocks: int) -> list[Block]:
    """The same for inference: raw images in, logits back on the host."""
    warmup_blocks = -(-warmup_steps // len(batches))
    seconds = []
    for _ in range(warmup_blocks + blocks):
        began = time.perf_counter()
        model.predict(batches, verbose=0)
        seconds.append(time.perf_counter() - began)
    return [_block(batches, each) for each in seconds[warmup_blocks:]]


def _block(batches: Batches, seconds: float) -> Block:
    return Block(steps=len(batches), images=len(batches) * batches.batch_size, seconds=seconds)


def first_inference(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds until the logits of a first batch are on the host, compilation included."""
    began = clock()
    model.predict(Batches(batches.images, batches.labels, batches.batch_size, steps=1), verbose=0)
    return clock() - began


def step_times(model: keras.Model, phase: str, batches: Batches) -> list[float]:
    """Seconds of each of `len(batches)` steps of `phase`, train or infer, synchronised one by one."""
    clock = StepClock()
    if phase == "train":
        model.fit(batches, verbose=0, shuffle=False, callbacks=[clock])
    else:
        model.predict(batches, verbose=0, callbacks=[clock])
    return clock.seconds
