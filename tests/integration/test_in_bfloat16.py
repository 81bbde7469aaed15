"""What is computed in mixed_bfloat16, with every way to augment, on every backend: products, and nothing else."""

import json
import math

import pytest

from helpers.backend_processes import BACKENDS, on_every_backend


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("bfloat16")
    on_every_backend("integration.bfloat16_worker", str(folder))
    return {backend: json.loads((folder / f"{backend}.json").read_text()) for backend in BACKENDS}


@pytest.mark.parametrize("augmentation", ["layers", "sampler", "outside"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_it_trains_and_its_loss_is_nearly_that_in_float32(found, backend, augmentation):
    of_plan = found[backend]["keras"][augmentation]
    assert of_plan["before"] == pytest.approx(found[backend]["float32"], rel=0.03)
    assert of_plan["before"] != pytest.approx(found[backend]["float32"], rel=1e-6)
    assert all(math.isfinite(value) for value in of_plan["history"].values())
    assert of_plan["history"]["loss"] == pytest.approx(of_plan["before"], rel=0.5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_classifier_computes_in_it(found, backend):
    of_plan = found[backend]["keras"]["layers"]
    assert of_plan["classifier"] == "bfloat16"
    assert of_plan["weights"] == ["float32"]
    assert of_plan["images"] == ["float32"] * 5
    assert of_plan["logits"] == ["float32", True]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_native_model_trains_in_it_too(found, backend):
    first, second = found[backend]["native"]["losses"]
    assert first == pytest.approx(found[backend]["float32"], rel=0.5) and math.isfinite(second)


def test_the_places_of_pixels_are_not_rounded_on_torch(found):
    assert found["torch"]["native"]["patches"] == 0
