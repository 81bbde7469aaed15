"""Every backend trains on the same batches in the same order, and its optimisers compute the same."""

import hashlib

import numpy as np
import pytest

from helpers.backend_processes import BACKENDS
from integration import training_formulas as formulas
from integration.results import RequestedBatch, TrainingResult
from vitbench.data.batches import shuffle_order


@pytest.fixture(scope="module")
def results(backend_processes) -> dict[str, TrainingResult]:
    return backend_processes.call_each("integration.workers.training:train")


def shuffled_orders() -> list[np.ndarray]:
    return [shuffle_order(len(formulas.IMAGES), formulas.SEED, epoch) for epoch in range(formulas.EPOCHS)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_fit_requests_the_same_batches_in_the_same_order(results, backend):
    expected = []
    for epoch, order in enumerate(shuffled_orders()):
        for step, start in enumerate(range(0, len(order), formulas.BATCH_SIZE)):
            batch = order[start : start + formulas.BATCH_SIZE]
            images, labels = formulas.IMAGES[batch], formulas.LABELS[batch]
            digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
            expected.append(RequestedBatch(epoch, step, digest))
    assert results[backend].batches == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_plan_trains_on_the_batches_in_that_order(results, backend):
    expected = formulas.fit_linear_model(shuffled_orders())
    assert len(results[backend].weights) == (2 if backend == "torch" else 3)
    for plan, weights in results[backend].weights.items():
        np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-5, err_msg=plan)


def test_another_order_would_train_other_weights():
    orders = shuffled_orders()
    expected = formulas.fit_linear_model(orders)
    unshuffled = [np.arange(len(formulas.IMAGES))] * formulas.EPOCHS
    for other in (orders[::-1], [orders[0]] * formulas.EPOCHS, unshuffled):
        assert np.abs(formulas.fit_linear_model(other) - expected).max() > 1e-3


@pytest.mark.parametrize("name", formulas.TRAININGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_and_learning_rates_follow_the_formula(results, backend, name):
    training, path = formulas.TRAININGS[name], results[backend].optimizers[name]
    rates = [formulas.learning_rate(training, step) for step in range(len(formulas.GRADIENTS))]
    np.testing.assert_allclose(path.learning_rates, rates, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(path.weights, formulas.weights_after_each_gradient(training), rtol=0, atol=2e-6)


def test_keras_multiplies_the_decay_by_the_learning_rate_and_independent_decay_does_not():
    keras, independent = (
        formulas.weights_after_each_gradient(formulas.TRAININGS[name])[0] for name in ("adamw", "adamw, independent")
    )
    # After one step of the same size only the decay differs: λ · w and α · λ · w.
    difference = formulas.WEIGHT_DECAY * (1 - formulas.LEARNING_RATE) * formulas.START.astype(np.float64)
    np.testing.assert_allclose(keras - independent, difference, rtol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_learning_rate_of_an_epoch_is_the_one_after_its_last_step(results, backend):
    training = formulas.TRAININGS["adamw, cosine"]
    steps = -(-len(formulas.IMAGES) // training.batch_size)
    expected = [formulas.learning_rate(training, steps * epoch, steps) for epoch in range(1, training.epochs + 1)]
    np.testing.assert_allclose(results[backend].rates_by_epoch, expected, rtol=1e-5)
