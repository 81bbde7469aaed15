"""In mixed_bfloat16 only the products of the classifier are computed in bfloat16, with every way to augment."""

import math

import numpy as np
import pytest

from helpers.backend_processes import BACKENDS
from integration.results import Bfloat16Result


@pytest.fixture(scope="module")
def results(backend_processes) -> dict[str, Bfloat16Result]:
    return backend_processes.call_each("integration.workers.bfloat16:train")


@pytest.mark.parametrize("augmentation", ["layers", "sampler", "outside"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_it_trains_and_its_loss_is_close_to_the_one_in_float32(results, backend, augmentation):
    training, float32_loss = results[backend].keras[augmentation], results[backend].float32_loss
    assert training.loss_before == pytest.approx(float32_loss, rel=0.03)
    assert training.loss_before != pytest.approx(float32_loss, rel=1e-6)
    assert all(math.isfinite(value) for value in training.history.values())
    assert training.history["loss"] == pytest.approx(training.loss_before, rel=0.5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_classifier_computes_in_bfloat16(results, backend):
    training = results[backend].keras["layers"]
    assert training.classifier_dtype == "bfloat16"
    assert training.weight_dtypes == {"float32"}
    assert training.image_dtypes == ["float32"] * 5
    assert training.logits.dtype == np.float32 and np.isfinite(training.logits).all()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_native_model_trains_in_bfloat16(results, backend):
    first, second = results[backend].native.losses
    assert first == pytest.approx(results[backend].float32_loss, rel=0.5) and math.isfinite(second)


def test_the_native_augmentation_on_pytorch_computes_in_float32(results):
    """In bfloat16 the coordinates of pixels would be rounded."""
    assert results["torch"].native.patch_difference == 0
