import itertools

import pytest

from vitbench.measure.timing import Block, images_per_second, step_seconds


def test_images_per_second_divides_a_blocks_images_by_the_same_blocks_seconds():
    blocks = [Block(steps=20, images=20 * 64, seconds=s) for s in (2.0, 4.0, 8.0)]
    assert images_per_second(blocks) == 20 * 64 / 4.0
    assert step_seconds(blocks) == 4.0 / 20


def test_a_block_of_more_steps_is_not_a_faster_one():
    assert images_per_second([Block(10, 640, 1.0)]) == images_per_second([Block(100, 6400, 10.0)])


def test_steps_and_blocks_are_timed_by_the_clock_that_is_given():
    import keras
    import numpy as np

    from vitbench.data.batches import Batches
    from vitbench.measure.timing import BlockClock, StepClock

    model = keras.Sequential([keras.Input((1, 1, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ticks = iter(range(10**6))
    batches = Batches(np.zeros((8, 1, 1, 3), np.uint8), np.zeros(8, np.int32), batch_size=2, steps=3)
    steps, blocks = StepClock(lambda: next(ticks)), BlockClock(lambda: next(ticks))
    model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=[steps, blocks])
    assert steps.seconds == [1 + 1, 1, 1]  # of the last epoch, whose begin the other clock looked at, too
    assert blocks.seconds == [4] * 2  # three looks at the clock lie between a block's own two


def test_the_first_step_leaves_the_model_as_it_was():
    import keras
    import numpy as np

    from vitbench.data.batches import Batches
    from vitbench.measure.timing import time_first_step

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
    assert any(
        not np.array_equal(a, keras.ops.convert_to_numpy(v)) for a, v in zip(after, model.variables, strict=False)
    )


def test_inference_blocks_reach_from_end_to_end_and_leave_the_warm_up_out():
    import keras
    import numpy as np

    from vitbench.data.batches import Batches
    from vitbench.measure.timing import WarmUp, time_inference

    model = keras.Sequential([keras.Input((1, 1, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    ticks = iter(range(10**6))
    batches = Batches(np.zeros((8, 1, 1, 3), np.uint8), np.zeros(8, np.int32), batch_size=2, steps=3)
    clock = {"clock": lambda: next(ticks)}
    warm, peaks, blocks, steps = time_inference(model, batches, 2, 60, blocks=4, at_least=0, **clock)
    assert warm == WarmUp(steps=4, settled=True, step_seconds=1)  # the second round was as fast as the first
    assert blocks == [Block(steps=3, images=6, seconds=3)] * 4  # a look at the clock a step
    assert steps == [1] * 12 and peaks["peak_host_memory_bytes"] > 2**20
    _, _, blocks, _ = time_inference(model, batches, 2, 60, blocks=1, at_least=5, **clock)
    assert blocks == [Block(steps=5, images=10, seconds=5)]


def _model():
    import keras

    model = keras.Sequential([keras.Input((1, 1, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _batches(steps: int):
    import numpy as np

    from vitbench.data.batches import Batches

    return Batches(np.zeros((8, 1, 1, 3), np.uint8), np.zeros(8, np.int32), batch_size=2, steps=steps)


def test_a_block_has_as_many_steps_as_its_seconds_ask_for():
    from vitbench.measure.timing import size_block

    batches = _batches(steps=4)
    assert len(size_block(batches, step_seconds=0.5, at_least=3.2)) == 7
    assert len(size_block(batches, step_seconds=0.5, at_least=0)) == 4
    assert len(size_block(batches, step_seconds=0.5, at_least=0, at_most=0.9)) == 2
    assert len(size_block(batches, step_seconds=0.5, at_least=9, at_most=0.1)) == 1


def test_training_blocks_are_images_and_seconds_of_a_fake_clock():
    from vitbench.measure.timing import time_train_blocks

    ticks = itertools.count(step=2)  # the clock is looked at twice a block, so each takes two seconds
    blocks = time_train_blocks(_model(), _batches(steps=4), blocks=3, clock=lambda: next(ticks))
    assert blocks == [Block(steps=4, images=8, seconds=2)] * 3
    assert images_per_second(blocks) == 4


@pytest.mark.parametrize(
    ("seconds", "limit", "rounds", "settled"),
    [
        ([8, 4, 2, 1.96, 1], 99, 4, True),  # the fourth is hardly faster than the third
        ([1, 5, 1], 99, 2, True),  # slower is not faster
        ([8, 4, 2, 1], 13, 3, False),  # time is up
    ],
)
def test_the_warm_up_lasts_until_steps_get_no_faster_or_time_is_up(seconds, limit, rounds, settled):
    from vitbench.measure.timing import WarmUp, warm_up

    looks = itertools.chain.from_iterable((0.0, taken) for taken in seconds)
    found = warm_up(_model(), _batches(steps=4), limit, clock=lambda: next(looks))
    assert found == WarmUp(steps=4 * rounds, settled=settled, step_seconds=seconds[rounds - 1] / 4)


def test_training_is_over_when_its_time_is_taken():
    """On JAX the steps are queued; validation must not pay for them."""
    import jax
    import keras
    import numpy as np

    from vitbench.backends.process import current_backend
    from vitbench.data.batches import Batches

    pending = []

    class Look(keras.callbacks.Callback):
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
    model.fit(batches, epochs=3, validation_data=validation, verbose=0, shuffle=False, callbacks=[Look()])
    assert any(before for before, _ in pending), "the model is too small to leave anything pending"
    assert [after for _, after in pending] == [0, 0, 0]


def test_steps_that_are_taken_several_at_once_count_as_their_mean():
    import keras

    from vitbench.measure.timing import time_train_steps

    model = _model()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), steps_per_execution=3)
    assert len(time_train_steps(model, _batches(steps=4))) == 2  # executions of three steps each


def test_a_repetition_that_compiles_something_is_followed_by_another(monkeypatch):
    from vitbench.backends.process import current_backend
    from vitbench.measure.timing import WarmUp, repeat_until_settled

    repetitions = []
    monkeypatch.setattr(current_backend(), "compilations", lambda: min(len(repetitions), 3))

    def repeat() -> float:
        repetitions.append(1.0)
        return repetitions[-1]

    assert repeat_until_settled(repeat, steps=2, limit_seconds=100) == WarmUp(steps=8, settled=True, step_seconds=0.5)
