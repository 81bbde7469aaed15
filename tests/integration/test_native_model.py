"""The model without Keras computes the same as the one with Keras, and trains in the same way."""

import pytest

from helpers.backend_processes import BACKENDS

QUANTITIES = {"logits", "loss", "slope", "gradient", "losses"}
WORKER = "integration.workers.native_model:compare_with_keras"
VARIANTS = {  # changes of the small ViT, and whether torch.compile compiles the model
    "form of the example": ({"layers": 1}, True),  # one layer, because torch.compile takes long
    "average pooling, split heads": ({"pooling": "average", "key_dim": "split", "patch_size": 4}, False),
}


@pytest.mark.parametrize(("changes", "compiled"), VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_it_agrees_with_the_keras_model_well_within_the_tolerances(backend_processes, backend, changes, compiled):
    ratios = backend_processes.call(backend, WORKER, changes, {}, compiled)
    assert ratios.keys() == QUANTITIES
    assert max(ratios.values()) < 0.5


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_epsilon_would_fail(backend_processes, backend):
    ratios = backend_processes.call(backend, WORKER, {}, {"epsilon": 1e-3}, False)
    assert ratios["logits"] > 5
