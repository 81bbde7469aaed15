"""Clocks that synchronise with the device, timed blocks of steps, and the warm-up before them."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import keras
import numpy as np

from vitbench.backends.process import current_backend
from vitbench.data.batches import Batches
from vitbench.execution.audit import CompilationWatch
from vitbench.execution.state import preserve_state
from vitbench.system import environment

Clock = Callable[[], float]
Callbacks = tuple[keras.callbacks.Callback, ...]


class Meter(Protocol):
    """Measures something while blocks are timed."""

    def start(self) -> None:
        """Called before each block."""
        ...

    def stop(self) -> None:
        """Called after it."""
        ...


LEAST_REPETITIONS = 3  # of the warm-up of a measurement whose result is shown
SETTLED = 0.05  # a repetition that saves no more than this share of the fastest one so far is not faster


@dataclass(frozen=True)
class Block:
    """Consecutive steps that are timed as one, with the device synchronised at both ends."""

    steps: int
    images: int
    seconds: float


@dataclass(frozen=True)
class WarmUp:
    """The steps before the timed ones: their number, whether they settled, and the seconds per step at the end."""

    steps: int
    settled: bool
    step_seconds: float


def images_per_second(blocks: list[Block]) -> float:
    """The median over blocks of images ÷ seconds."""
    return statistics.median(block.images / block.seconds for block in blocks)


def step_seconds(blocks: list[Block]) -> float:
    """The median over blocks of seconds per step."""
    return statistics.median(block.seconds / block.steps for block in blocks)


def has_settled(seconds: list[float]) -> bool:
    """Whether the last of several equal repetitions, given by their seconds, is no longer faster than the others."""
    return seconds[-1] > (1 - SETTLED) * min(seconds[:-1], default=math.inf)


def peak_memory() -> dict:
    """The memory columns: the peaks of this process so far."""
    return {
        "peak_host_memory_bytes": environment.peak_host_memory_bytes(),
        "peak_device_memory_bytes": current_backend().peak_memory_bytes(),
    }


def steady_state_columns(blocks: list[Block], single_steps: list[float]) -> dict:
    """The columns that come from blocks and from the seconds of single steps."""
    return {
        "timed_steps": sum(block.steps for block in blocks),
        "images_per_second": images_per_second(blocks),
        "step_seconds_p50": float(np.percentile(single_steps, 50)),
        "step_seconds_p95": float(np.percentile(single_steps, 95)),
        "blocks": [asdict(block) for block in blocks],
    }


def warmup_columns(warm: WarmUp) -> dict:
    """The columns that describe the warm-up."""
    return {"warmup_steps": warm.steps, "warmup_settled": warm.settled}


class BlockClock(keras.callbacks.Callback):
    """Times each epoch of a fit as one block.

    It overrides no per-batch method, because that would make Keras synchronise with the device at each step.
    """

    def __init__(self, clock: Clock = time.perf_counter, meters: Sequence[Meter] = ()):
        super().__init__()
        self.clock, self.meters = clock, meters
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        current_backend().synchronize()
        for meter in self.meters:
            meter.start()  # reading a counter takes time, so it is read before the clock and after it
        self._started = self.clock()

    def on_epoch_end(self, epoch, logs=None):
        current_backend().synchronize()
        self.seconds.append(self.clock() - self._started)
        for meter in self.meters:
            meter.stop()


class StepClock(keras.callbacks.Callback):
    """Times each step of one epoch, or of one predict, and synchronises after each, to measure their spread.

    A step lasts from the end of the step before it. So it includes drawing its batch on every backend.
    """

    def __init__(self, clock: Clock = time.perf_counter):
        super().__init__()
        self.clock = clock
        self.ends: list[float] = []  # the first one is the start of the loop

    @property
    def seconds(self) -> list[float]:
        """The seconds of each step. Those of the first step include the start of the loop."""
        return [end - before for before, end in itertools.pairwise(self.ends)]

    def _start(self, *_, logs=None):
        self.ends = [self.clock()]

    on_epoch_begin = on_predict_begin = _start

    def on_train_batch_end(self, batch, logs=None):
        current_backend().synchronize()
        self.ends.append(self.clock())

    def on_predict_batch_end(self, batch, logs):
        keras.ops.convert_to_numpy(logs["outputs"])  # inference ends when the logits are on the host
        self.ends.append(self.clock())


def time_first_step(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds of the first training step, compilation included. The state of the model is restored afterwards."""
    with preserve_state(model):
        started = clock()
        model.fit(batches.with_steps(steps=1).fit_input(), verbose=0)
        current_backend().synchronize()
        return clock() - started


def time_first_inference(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds until the logits of a first batch are on the host, compilation included."""
    started = clock()
    model.predict(batches.with_steps(steps=1), verbose=0)
    return clock() - started


def warm_up(
    model: keras.Model,
    batches: Batches,
    limit_seconds: float,
    least_seconds: float = 0.0,
    least_repetitions: int = 2,
    clock: Clock = time.perf_counter,
) -> WarmUp:
    """Trains repetitions of `len(batches)` steps until they get no faster; see `repeat_until_settled`."""

    def repeat() -> float:
        block = BlockClock(clock)
        model.fit(batches.fit_input(), verbose=0, shuffle=False, callbacks=[block])
        return block.seconds[0]

    return repeat_until_settled(repeat, len(batches), limit_seconds, least_seconds, least_repetitions)


def repeat_until_settled(
    repeat: Callable[[], float],
    steps: int,
    limit_seconds: float,
    least_seconds: float = 0.0,
    least_repetitions: int = 2,
) -> WarmUp:
    """Calls `repeat`, which runs `steps` steps and returns their seconds, until it has settled.

    It has settled when a repetition compiles nothing and is not faster than the fastest one before it, after at least
    `least_repetitions` that took `least_seconds` together. No repetition starts after `limit_seconds`.
    """
    seconds, is_settled = [], False
    while not seconds or not (is_settled or sum(seconds) >= limit_seconds):
        compilations = CompilationWatch()
        seconds.append(repeat())
        is_long_enough = len(seconds) >= least_repetitions and sum(seconds) >= least_seconds
        is_settled = is_long_enough and has_settled(seconds) and not compilations.count()
    return WarmUp(len(seconds) * steps, is_settled, seconds[-1] / steps)


def size_block(batches: Batches, step_seconds: float, at_least: float, at_most: float = math.inf) -> Batches:
    """The batches with as many steps, of `step_seconds` each, as last between `at_least` and `at_most` seconds.

    The number of steps does not decrease unless `at_most` requires it, and is at least one.
    """
    steps = min(max(len(batches), at_least / step_seconds), at_most / step_seconds)
    return batches.with_steps(steps=max(1, math.ceil(steps)))


def time_train_blocks(
    model: keras.Model,
    batches: Batches,
    blocks: int,
    callbacks: Callbacks = (),
    clock: Clock = time.perf_counter,
    repeated_batch=None,
    meters: Sequence[Meter] = (),
) -> list[Block]:
    """Times `blocks` blocks of `len(batches)` training steps, each a fit of one epoch.

    repeated_batch: what `repeat_first_batch` returned for `batches`, to train on that instead. meters: measure the
    blocks. Raises NotAsPlannedError if something is compiled meanwhile.
    """
    block_clock, compilations = BlockClock(clock, meters), CompilationWatch()
    for _ in range(blocks):
        fit_input = batches.fit_input() if repeated_batch is None else repeated_batch
        model.fit(fit_input, verbose=0, shuffle=False, callbacks=[block_clock, *callbacks])
    compilations.check("in the timed training steps")
    return [make_block(batches, seconds) for seconds in block_clock.seconds]


def time_train_steps(model: keras.Model, batches: Batches) -> list[float]:
    """Seconds of each of at least `len(batches)` training steps, with a synchronisation after each.

    If one execution runs several steps, each of them counts as their mean.
    """
    clock, per_execution = StepClock(), model.steps_per_execution
    executions = 1 + math.ceil(len(batches) / per_execution)  # the first one includes the start of the epoch
    steps = batches.with_steps(steps=executions * per_execution)
    model.fit(steps.fit_input(), verbose=0, shuffle=False, callbacks=[clock])
    return [seconds / per_execution for seconds in clock.seconds[1:]]


def time_inference(
    model: keras.Model,
    batches: Batches,
    warmup_steps: int,
    warmup_seconds: float,
    blocks: int,
    at_least: float,
    at_most: float = math.inf,
    clock: Clock = time.perf_counter,
) -> tuple[WarmUp, dict, list[Block], list[float]]:
    """Times inference from raw images to logits on the host at each step.

    Returns the warm-up, the memory columns, the blocks and the seconds of each step. The memory is read before the
    blocks, because Keras keeps the logits of all steps of one predict. The warm-up repeats `warmup_steps` steps; see
    `repeat_until_settled`. All timed steps run in one call of predict, because each call has a fixed cost; its first
    `warmup_steps` steps are not timed. A block is sized by `size_block`. It lasts from the end of the step before it to
    the end of its last step. Raises NotAsPlannedError if something is compiled meanwhile.
    """

    def repeat() -> float:
        trial = StepClock(clock)
        model.predict(batches.with_steps(steps=warmup_steps), verbose=0, callbacks=[trial])
        return sum(trial.seconds)

    warm = repeat_until_settled(repeat, warmup_steps, warmup_seconds, at_least, LEAST_REPETITIONS)
    memory = peak_memory()
    block = size_block(batches, warm.step_seconds, at_least, at_most)
    step_clock, compilations = StepClock(clock), CompilationWatch()
    steps = batches.with_steps(steps=warmup_steps + blocks * len(block))
    model.predict(steps, verbose=0, callbacks=[step_clock])
    compilations.check("in the timed inference steps")
    ends = step_clock.ends[warmup_steps :: len(block)]
    timed_blocks = [make_block(block, end - start) for start, end in itertools.pairwise(ends)]
    return warm, memory, timed_blocks, step_clock.seconds[warmup_steps:]


def time_calls(step: Callable[[int], object], steps: int, clock: Clock = time.perf_counter) -> float:
    """Seconds of step(0) … step(steps − 1), with the device synchronised at both ends."""
    current_backend().synchronize()
    started = clock()
    for i in range(steps):
        step(i)
    current_backend().synchronize()
    return clock() - started


def make_block(batches: Batches, seconds: float) -> Block:
    """The block of all steps of `batches`, which took `seconds`."""
    return Block(len(batches), len(batches) * batches.batch_size, seconds)
