"""Clocks, synchronisation and timed blocks."""

import itertools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import keras
import numpy as np

from vitbench.backends.process import current_backend
from vitbench.data.batches import Batches
from vitbench.execution.audit import CompilationWatch
from vitbench.execution.state import preserve_state
from vitbench.system import environment

Clock = Callable[[], float]
Callbacks = tuple[keras.callbacks.Callback, ...]

SETTLED = 0.05  # of the fastest round so far: one that saves no more than this is no faster


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


def has_settled(seconds: list[float]) -> bool:
    """Whether the last of equally many steps' seconds shows that they get no faster any more."""
    return seconds[-1] > (1 - SETTLED) * min(seconds[:-1], default=math.inf)


def peak_memory() -> dict:
    """The columns of memory: the largest of this process so far."""
    return {
        "peak_host_memory_bytes": environment.peak_host_memory_bytes(),
        "peak_device_memory_bytes": current_backend().peak_memory_bytes(),
    }


def steady_state_columns(blocks: list[Block], step_seconds: list[float]) -> dict:
    """The columns that blocks and single steps give."""
    return {
        "timed_steps": sum(block.steps for block in blocks),
        "images_per_second": images_per_second(blocks),
        "step_seconds_p50": float(np.percentile(step_seconds, 50)),
        "step_seconds_p95": float(np.percentile(step_seconds, 95)),
        "blocks": [asdict(block) for block in blocks],
    }


class BlockClock(keras.callbacks.Callback):
    """Times each epoch of a fit as one block. It looks at no batch, so it forces no synchronisation within a block."""

    def __init__(self, clock: Clock = time.perf_counter):
        super().__init__()
        self.clock = clock
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        current_backend().synchronize()
        self._began = self.clock()

    def on_epoch_end(self, epoch, logs=None):
        current_backend().synchronize()
        self.seconds.append(self.clock() - self._began)


class StepClock(keras.callbacks.Callback):
    """Times each step of one epoch, or of one predict, waiting for its end; so it shows how they scatter.

    A step reaches from the end of the one before it, so that drawing its batch is in it on every backend.
    """

    def __init__(self, clock: Clock = time.perf_counter):
        super().__init__()
        self.clock = clock
        self.ends: list[float] = []  # the first is the beginning

    @property
    def seconds(self) -> list[float]:
        """Of each step; the first has the beginning of the loop in it."""
        return [end - before for before, end in itertools.pairwise(self.ends)]

    def _begin(self, *_, logs=None):
        self.ends = [self.clock()]

    on_epoch_begin = on_predict_begin = _begin

    def on_train_batch_end(self, batch, logs=None):
        current_backend().synchronize()
        self.ends.append(self.clock())

    def on_predict_batch_end(self, batch, logs=None):
        keras.ops.convert_to_numpy(logs["outputs"])  # somebody wants to see them
        self.ends.append(self.clock())


def time_first_step(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds of the first training step, compilation included. The model comes back as it was before it.

    So training starts where it would have started without it.
    """
    with preserve_state(model):
        began = clock()
        model.fit(batches.with_steps(steps=1).fit_input(), verbose=0)
        current_backend().synchronize()
        return clock() - began


def time_first_inference(model: keras.Model, batches: Batches, clock: Clock = time.perf_counter) -> float:
    """Seconds until the logits of a first batch are on the host, compilation included."""
    began = clock()
    model.predict(batches.with_steps(steps=1), verbose=0)
    return clock() - began


@dataclass(frozen=True)
class WarmUp:
    """Steps before the timed ones: how many, whether their time had settled, and what the last ones took, seconds."""

    steps: int
    settled: bool
    step_seconds: float


def warm_up(model: keras.Model, batches: Batches, limit_seconds: float, clock: Clock = time.perf_counter) -> WarmUp:
    """Trains in rounds of `len(batches)` steps until they get no faster; see `in_rounds`."""

    def fit() -> float:
        block = BlockClock(clock)
        model.fit(batches.fit_input(), verbose=0, shuffle=False, callbacks=[block])
        return block.seconds[0]

    return repeat_until_settled(fit, len(batches), limit_seconds)


def repeat_until_settled(round_: Callable[[], float], steps: int, limit_seconds: float) -> WarmUp:
    """Calls `round_`, which takes `steps` steps and returns their seconds, until that has settled.

    It has when a round compiles nothing and is not faster than the fastest before it. No round begins when
    `limit_seconds` are over.
    """
    seconds, steady = [], False
    while not seconds or not (steady or sum(seconds) >= limit_seconds):
        compilations = CompilationWatch()
        seconds.append(round_())
        steady = has_settled(seconds) and not compilations.count()
    return WarmUp(len(seconds) * steps, steady, seconds[-1] / steps)


def warmup_columns(warm: WarmUp) -> dict:
    """The columns that tell of a warm-up."""
    return {"warmup_steps": warm.steps, "warmup_settled": warm.settled}


def size_block(batches: Batches, step_seconds: float, at_least: float, at_most: float = math.inf) -> Batches:
    """The same with as many steps, of `step_seconds` each, as last at least and at most so many seconds.

    There are no fewer than now unless `at_most` says so, and no fewer than one.
    """
    steps = min(max(len(batches), at_least / step_seconds), at_most / step_seconds)
    return batches.with_steps(steps=max(1, math.ceil(steps)))


def time_train_blocks(
    model: keras.Model,
    batches: Batches,
    blocks: int,
    callbacks: Callbacks = (),
    clock: Clock = time.perf_counter,
    fed=None,
) -> list[Block]:
    """Times `blocks` blocks of `len(batches)` training steps each, every one a fit of one epoch.

    fed: what fit is given in place of `batches`, as many of the same size. Raises execution.NotAsPlannedError if
    something is compiled meanwhile.
    """
    timed, compilations = BlockClock(clock), CompilationWatch()
    for _ in range(blocks):
        given = batches.fit_input() if fed is None else fed
        model.fit(given, verbose=0, shuffle=False, callbacks=[timed, *callbacks])
    compilations.check("in the timed training steps")
    return [make_block(batches, seconds) for seconds in timed.seconds]


def time_train_steps(model: keras.Model, batches: Batches) -> list[float]:
    """Seconds of each of `len(batches)` training steps, or a few more, waited for one by one.

    Where several are one execution, each of them counts as their mean.
    """
    clock, at_once = StepClock(), model.steps_per_execution
    executions = 1 + math.ceil(len(batches) / at_once)  # the first has the beginning of the epoch in it
    model.fit(batches.with_steps(steps=executions * at_once).fit_input(), verbose=0, shuffle=False, callbacks=[clock])
    return [seconds / at_once for seconds in clock.seconds[1:]]


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
    """Times inference, raw images in and logits back on the host at each step.

    Returns the warm-up, the peaks of memory then, the blocks, and the seconds of each step. The peaks are taken before
    the blocks, since Keras keeps all logits of one predict. Rounds of `warmup_steps` come first, as `in_rounds` says.
    All timed steps, and as many as a round in front of them, are one call of predict, since each call has a cost of
    its own. A block lasts as `lasting` says; it reaches from the end of the step before it to the end of its last.
    Raises execution.NotAsPlannedError as train_blocks does.
    """

    def predict() -> float:
        trial = StepClock(clock)
        model.predict(batches.with_steps(steps=warmup_steps), verbose=0, callbacks=[trial])
        return sum(trial.seconds)

    warm = repeat_until_settled(predict, warmup_steps, warmup_seconds)
    found = peak_memory()
    block = size_block(batches, warm.step_seconds, at_least, at_most)
    times, compilations = StepClock(clock), CompilationWatch()
    model.predict(batches.with_steps(steps=warmup_steps + blocks * len(block)), verbose=0, callbacks=[times])
    compilations.check("in the timed inference steps")
    ends = times.ends[warmup_steps :: len(block)]
    return warm, found, [make_block(block, b - a) for a, b in itertools.pairwise(ends)], times.seconds[warmup_steps:]


def time_calls(step: Callable[[int], object], steps: int, clock: Clock = time.perf_counter) -> float:
    """Seconds of step(0) … step(steps − 1), the device synchronised at both ends."""
    current_backend().synchronize()
    began = clock()
    for i in range(steps):
        step(i)
    current_backend().synchronize()
    return clock() - began


def make_block(batches: Batches, seconds: float) -> Block:
    return Block(len(batches), len(batches) * batches.batch_size, seconds)
