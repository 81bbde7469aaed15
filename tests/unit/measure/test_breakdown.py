import itertools

import keras
import numpy as np
import pytest

from vitbench.data.batches import Batches
from vitbench.measure.breakdown import COMPARED_BLOCKS, LoopTimes, repeat_first_batch, time_bare_steps, time_loops
from vitbench.measure.timing import Block

SHARES = ("input_seconds_share", "host_seconds_share", "compute_seconds_share")


def loop_times(whole: float, same_batch: float, alone: float) -> LoopTimes:
    """Loops of 10 steps with the given seconds."""
    whole_blocks, same_batch_blocks, alone_blocks = ([Block(10, 640, s)] for s in (whole, same_batch, alone))
    return LoopTimes(whole_blocks, [], same_batch_blocks, alone_blocks)


@pytest.fixture
def model() -> keras.Model:
    model = keras.Sequential([keras.Input((1, 1, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture
def batches() -> Batches:
    images = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1).repeat(3, axis=3)
    return Batches(images, np.arange(8, dtype=np.int32) % 2, batch_size=2, steps=4)


@pytest.mark.parametrize(
    ("seconds", "shares"),
    [
        ((10, 7, 6), (0.3, 0.1, 0.6)),
        ((10, 12, 6), (0, 0.6, 0.4)),  # the same batch was slower by chance
        ((10, 7, 8), (0.3, 0, 0.7)),  # the step alone was slower by chance
        ((10, 25, 1), (0, 1, 0)),  # shares never exceed the whole
    ],
)
def test_shares_are_differences_between_loops_and_add_up_to_one(seconds, shares):
    breakdown = loop_times(*seconds).shares()
    assert [breakdown[name] for name in SHARES] == pytest.approx(shares)
    assert sum(breakdown.values()) == pytest.approx(1)


def test_the_whole_loop_is_timed_in_every_block_and_the_others_in_the_first_few(model, batches):
    model.fit(batches.fit_input(), verbose=0)
    clock = itertools.count().__next__
    times = time_loops(model, batches, COMPARED_BLOCKS + 2, clock=clock)
    assert times.whole == [Block(steps=4, images=8, seconds=1)] * (COMPARED_BLOCKS + 2)
    for blocks in (times.reading_loss, times.same_batch, times.alone):
        assert blocks == [Block(steps=4, images=8, seconds=1)] * COMPARED_BLOCKS


def test_the_repeated_batch_is_the_first_one(batches):
    repeated = repeat_first_batch(batches)
    assert len(repeated) == len(batches)
    for step in (0, 3):
        images, labels = (keras.ops.convert_to_numpy(array) for array in repeated[step])
        np.testing.assert_array_equal(images, batches[0][0])
        np.testing.assert_array_equal(labels, batches[0][1])


def test_bare_steps_train_and_leave_the_step_function_in_place(model, batches):
    model.fit(batches.fit_input(), verbose=0)
    step_function, before = model.train_function, model.get_weights()
    iterations = int(model.optimizer.iterations.numpy())
    assert time_bare_steps(model, repeat_first_batch(batches), 4) > 0
    assert model.train_function is step_function and model.steps_per_execution == 1
    assert int(model.optimizer.iterations.numpy()) == iterations + 4
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
