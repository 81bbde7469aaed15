import itertools

import jax
import keras
import numpy as np
import pytest

from vitbench.backends.process import current_backend
from vitbench.data.batches import Batches
from vitbench.execution.audit import NotAsPlannedError
from vitbench.measure.timing import (
    Block,
    BlockClock,
    StepClock,
    WarmUp,
    images_per_second,
    repeat_until_settled,
    size_block,
    step_seconds,
    time_calls,
    time_first_step,
    time_inference,
    time_train_blocks,
    time_train_steps,
    warm_up,
)


def build_model(**options) -> keras.Model:
    model = keras.Sequential([keras.Input((1, 1, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
    return model


def build_batches(steps: int) -> Batches:
    return Batches(np.zeros((8, 1, 1, 3), np.uint8), np.zeros(8, np.int32), batch_size=2, steps=steps)


def ticking_clock(step: float = 1):
    """A clock that advances by `step` seconds each time it is read."""
    return itertools.count(step=step).__next__


def test_images_per_second_divides_the_images_of_a_block_by_its_seconds():
    blocks = [Block(steps=20, images=20 * 64, seconds=seconds) for seconds in (2.0, 4.0, 8.0)]
    assert images_per_second(blocks) == 20 * 64 / 4.0
    assert step_seconds(blocks) == 4.0 / 20


def test_a_block_of_more_steps_is_not_faster():
    assert images_per_second([Block(10, 640, 1.0)]) == images_per_second([Block(100, 6400, 10.0)])


def test_steps_and_blocks_are_timed_by_the_given_clock():
    clock = ticking_clock()
    steps, blocks = StepClock(clock), BlockClock(clock)
    build_model().fit(build_batches(steps=3), epochs=2, verbose=0, shuffle=False, callbacks=[steps, blocks])
    assert steps.seconds == [1 + 1, 1, 1]  # of the last epoch, at whose start the block's clock is read as well
    assert blocks.seconds == [4] * 2  # the clock is read three times between the start and the end of a block


def test_the_first_step_leaves_the_model_unchanged():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((1, 1, 3)), keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.AdamW(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = np.random.default_rng(0).integers(0, 255, (8, 1, 1, 3), np.uint8)
    batches = Batches(images, np.zeros(8, np.int32), batch_size=4)
    model.optimizer.build(model.trainable_variables)
    before = [keras.ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]
    assert time_first_step(model, batches) > 0
    after = [keras.ops.convert_to_numpy(v) for v in [*model.variables, *model.optimizer.variables]]
    assert any(v.path.endswith("seed_generator_state") for v in model.variables)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    model.fit(batches, verbose=0, shuffle=False)
    trained = [keras.ops.convert_to_numpy(v) for v in model.variables]
    assert any(not np.array_equal(old, new) for old, new in zip(after, trained, strict=False))


def test_inference_blocks_run_from_the_end_of_a_step_to_the_end_of_a_step_after_the_warm_up():
    model, batches, clock = build_model(), build_batches(steps=3), ticking_clock()
    warm, memory, blocks, steps = time_inference(model, batches, 2, 60, blocks=4, at_least=0, clock=clock)
    assert warm == WarmUp(steps=6, settled=True, step_seconds=1)  # three equal repetitions
    assert blocks == [Block(steps=3, images=6, seconds=3)] * 4  # the clock is read once per step
    assert steps == [1] * 12 and memory["peak_host_memory_bytes"] > 2**20
    _, _, blocks, _ = time_inference(model, batches, 2, 60, blocks=1, at_least=5, clock=clock)
    assert blocks == [Block(steps=5, images=10, seconds=5)]


def test_a_block_has_as_many_steps_as_fill_the_requested_seconds():
    batches = build_batches(steps=4)
    assert len(size_block(batches, step_seconds=0.5, at_least=3.2)) == 7
    assert len(size_block(batches, step_seconds=0.5, at_least=0)) == 4
    assert len(size_block(batches, step_seconds=0.5, at_least=0, at_most=0.9)) == 2
    assert len(size_block(batches, step_seconds=0.5, at_least=9, at_most=0.1)) == 1


def test_training_blocks_have_the_images_and_seconds_of_their_steps():
    clock = ticking_clock(step=2)  # read twice per block, so each block takes two seconds
    blocks = time_train_blocks(build_model(), build_batches(steps=4), blocks=3, clock=clock)
    assert blocks == [Block(steps=4, images=8, seconds=2)] * 3
    assert images_per_second(blocks) == 4


def test_a_compilation_in_a_timed_block_is_an_error(monkeypatch):
    counts = itertools.count()
    monkeypatch.setattr(current_backend(), "compilations", lambda: next(counts))
    with pytest.raises(NotAsPlannedError, match="in the timed training steps"):
        time_train_blocks(build_model(), build_batches(steps=1), blocks=1)


@pytest.mark.parametrize(
    ("seconds", "limit", "repetitions", "settled"),
    [
        ([8, 4, 2, 1.96, 1], 99, 4, True),  # the fourth is hardly faster than the third
        ([1, 5, 1], 99, 2, True),  # the second is slower than the first
        ([8, 4, 2, 1], 13, 3, False),  # the limit is reached
    ],
)
def test_the_warm_up_ends_when_steps_get_no_faster_or_at_the_limit(seconds, limit, repetitions, settled):
    readings = itertools.chain.from_iterable((0.0, duration) for duration in seconds)
    warm = warm_up(build_model(), build_batches(steps=4), limit, clock=lambda: next(readings))
    assert warm == WarmUp(steps=4 * repetitions, settled=settled, step_seconds=seconds[repetitions - 1] / 4)


def test_two_equal_short_repetitions_do_not_end_a_warm_up_that_has_a_minimum():
    durations = [0.1] * 9
    readings = itertools.chain.from_iterable((0.0, duration) for duration in durations)
    warm = warm_up(build_model(), build_batches(steps=1), 99, 0.45, 3, clock=lambda: next(readings))
    assert warm == WarmUp(steps=5, settled=True, step_seconds=0.1)


def test_a_repetition_that_compiles_something_is_followed_by_another(monkeypatch):
    repetitions = []
    monkeypatch.setattr(current_backend(), "compilations", lambda: min(len(repetitions), 3))

    def repeat() -> float:
        repetitions.append(1.0)
        return repetitions[-1]

    assert repeat_until_settled(repeat, steps=2, limit_seconds=100) == WarmUp(steps=8, settled=True, step_seconds=0.5)


def test_synchronising_at_the_start_of_validation_leaves_no_training_pending():
    """JAX queues the steps, so without it their time would count as validation."""
    pending = []

    class PendingArrays(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            before = sum(not array.is_ready() for array in jax.live_arrays())
            current_backend().synchronize()
            pending.append((before, sum(not array.is_ready() for array in jax.live_arrays())))

    layers = [keras.Input((32, 32, 3)), keras.layers.Flatten(), *(keras.layers.Dense(1500) for _ in range(4))]
    model = keras.Sequential([*layers, keras.layers.Dense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = np.zeros((256, 32, 32, 3), np.uint8), np.zeros(256, np.int32)
    batches = Batches(images, labels, batch_size=64)
    validation = (images[:64], labels[:64])
    model.fit(batches, epochs=3, validation_data=validation, verbose=0, shuffle=False, callbacks=[PendingArrays()])
    assert any(before for before, _ in pending), "the model is too small to leave anything pending"
    assert [after for _, after in pending] == [0, 0, 0]


def test_steps_that_run_in_one_execution_count_as_their_mean():
    model = build_model(steps_per_execution=3)
    assert len(time_train_steps(model, build_batches(steps=4))) == 2  # two executions of three steps each


def test_calls_are_timed_together_and_numbered_from_zero():
    calls = []
    assert time_calls(calls.append, 3, clock=ticking_clock(step=5)) == 5
    assert calls == [0, 1, 2]
