"""The model without Keras computes the same as the one with it, and trains the same."""

import json

import pytest

from helpers.backend_processes import on_every_backend

BACKENDS = ("jax", "torch")
QUANTITIES = {"logits", "loss", "slope", "gradient", "losses"}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("native")
    on_every_backend("integration.native_worker", str(folder), backends=BACKENDS)
    return {backend: json.loads((folder / f"{backend}.json").read_text()) for backend in BACKENDS}


@pytest.mark.parametrize("variant", ["the example's form", "average pooling, split heads"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_it_passes_the_gate_with_room_to_spare(found, backend, variant):
    assert found[backend][variant].keys() == QUANTITIES
    assert max(found[backend][variant].values()) < 0.5


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_epsilon_would_have_been_seen(found, backend):
    assert found[backend]["another epsilon"]["logits"] > 5
