"""The same batches in the same order, and the same arithmetic of the optimiser, on every backend."""

import hashlib
import re

import numpy as np
import pytest

from helpers.backend_processes import BACKENDS, on_every_backend
from integration import training_cases as cases
from vitbench.data.batches import shuffle_order


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("training")
    on_every_backend("integration.training_worker", str(folder))
    return {backend: dict(np.load(folder / f"{backend}.npz")) for backend in BACKENDS}


def orders() -> list[np.ndarray]:
    return [shuffle_order(len(cases.IMAGES), cases.SEED, epoch) for epoch in range(cases.EPOCHS)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_fit_is_handed_the_same_batches_in_the_same_order(found, backend):
    expected = []
    for epoch, shuffled in enumerate(orders()):
        for step, begin in enumerate(range(0, len(shuffled), cases.BATCH)):
            batch = shuffled[begin : begin + cases.BATCH]
            digest = hashlib.sha256(cases.IMAGES[batch].tobytes() + cases.LABELS[batch].tobytes()).hexdigest()
            expected.append(f"{epoch} {step} {digest}")
    assert found[backend]["digests"].tolist() == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_model_is_trained_on_the_batches_in_that_order_however_they_are_fed(found, backend):
    expected = cases.fitted(orders())
    ways = [name for name in found[backend] if re.fullmatch("weights(, (fed otherwise|several at once))?", name)]
    assert len(ways) == (2 if backend == "torch" else 3)
    for way in ways:
        np.testing.assert_allclose(found[backend][way], expected, rtol=0, atol=1e-5, err_msg=way)
    for other in (orders()[::-1], [orders()[0]] * cases.EPOCHS, [np.arange(len(cases.IMAGES))] * cases.EPOCHS):
        assert np.abs(cases.fitted(other) - expected).max() > 1e-3  # so another order would have been seen


@pytest.mark.parametrize("case", cases.TRAININGS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_and_learning_rates_follow_the_formula(found, backend, case):
    training = cases.TRAININGS[case]
    rates = [cases.rate(training, step) for step in range(len(cases.GRADIENTS))]
    np.testing.assert_allclose(found[backend][f"{case}, rates"], rates, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found[backend][f"{case}, weights"], cases.path(training), rtol=0, atol=2e-6)


def test_keras_and_independent_decay_are_as_far_apart_as_the_learning_rate_says():
    keras, independent = (cases.path(cases.TRAININGS[case])[0] for case in ("adamw", "adamw, independent"))
    # After one step of the same size only the decay differs: λ · w against α · λ · w.
    difference = cases.DECAY * (1 - cases.LARGEST) * cases.START.astype(np.float64)
    np.testing.assert_allclose(keras - independent, difference, rtol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_learning_rate_of_an_epoch_is_that_after_its_last_step(found, backend):
    training = cases.TRAININGS["adamw, cosine"]
    steps = -(-len(cases.IMAGES) // training.batch_size)
    expected = [cases.rate(training, steps * epoch, steps) for epoch in range(1, training.epochs + 1)]
    np.testing.assert_allclose(found[backend]["rates by epoch"], expected, rtol=1e-5)
