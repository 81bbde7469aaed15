import math

import keras
import numpy as np
import pytest

from vitbench.config.training import Schedule, Training
from vitbench.training.optimizers import MOMENTUM, build_learning_rate, build_optimizer, keras_weight_decay

LARGEST, EPOCHS, STEPS_PER_EPOCH = 0.1, 5, 3


def rates(**schedule) -> np.ndarray:
    """The learning rate of each step."""
    built = build_learning_rate(LARGEST, Schedule(**schedule), EPOCHS, STEPS_PER_EPOCH)
    return np.array([float(keras.ops.convert_to_numpy(built(step))) for step in range(EPOCHS * STEPS_PER_EPOCH)])


def training(name: str = "adamw", **options) -> Training:
    return Training.model_validate({"epochs": 1, "batch_size": 8, "optimizer": {"name": name, **options}})


def test_a_constant_schedule_is_a_number():
    assert build_learning_rate(LARGEST, Schedule(name="constant"), EPOCHS, STEPS_PER_EPOCH) == LARGEST


def test_a_constant_schedule_with_warm_up_rises_linearly_and_stays():
    warmup = 2 * STEPS_PER_EPOCH
    steps = rates(name="constant", warmup_epochs=2)
    np.testing.assert_allclose(steps[:warmup], LARGEST * np.arange(warmup) / warmup, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(steps[warmup:], LARGEST, rtol=1e-5)


@pytest.mark.parametrize(("warmup_epochs", "final_fraction"), [(0, 0.0), (2, 0.0), (3, 0.1)])
def test_a_cosine_schedule_follows_its_formula(warmup_epochs, final_fraction):
    total, warmup = EPOCHS * STEPS_PER_EPOCH, warmup_epochs * STEPS_PER_EPOCH
    steps = np.arange(total)
    cosine = (1 + np.cos(math.pi * (steps - warmup) / (total - warmup))) / 2
    expected = LARGEST * (final_fraction + (1 - final_fraction) * cosine)
    expected[:warmup] = LARGEST * steps[:warmup] / max(warmup, 1)
    computed = rates(name="cosine", warmup_epochs=warmup_epochs, final_fraction=final_fraction)
    np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", keras.optimizers.AdamW), ("sgd", keras.optimizers.SGD), ("lion", keras.optimizers.Lion)],
)
def test_the_optimiser_has_the_configured_rate_and_decay(name, kind):
    optimizer = build_optimizer(training(name, learning_rate=0.01, weight_decay=0.05), epochs=3, images=20)
    assert type(optimizer) is kind
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == pytest.approx(0.01)
    assert optimizer.weight_decay == pytest.approx(0.05)


def test_sgd_has_nesterov_momentum():
    optimizer = build_optimizer(training("sgd"), epochs=1, images=8)
    assert optimizer.momentum == MOMENTUM and optimizer.nesterov


@pytest.mark.parametrize(("decay", "share"), [("keras", 0.01 * 0.05), ("independent", 0.05)])
def test_a_step_without_a_gradient_takes_the_decay_off_the_weights(decay, share):
    settings = training(learning_rate=0.01, weight_decay=0.05, decay=decay)
    optimizer = build_optimizer(settings, epochs=1, images=8)
    weight = keras.Variable(np.full(3, 2.0, np.float32))
    optimizer.apply([np.zeros(3, np.float32)], [weight])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), 2 * (1 - share), rtol=1e-6)


def test_independent_decay_is_divided_by_the_largest_learning_rate():
    settings = training(learning_rate=0.01, weight_decay=0.05, decay="independent")
    assert keras_weight_decay(settings.optimizer) == pytest.approx(5.0)
