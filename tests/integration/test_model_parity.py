"""The model is the one of the Keras example, and it is the same on every backend."""

import numpy as np
import pytest

from helpers.backend_processes import BACKENDS
from integration import model_variants as variants
from integration.results import LoadedWeights, ModelOutputs
from vitbench.config.models import ViT
from vitbench.parity.reference import reference_logits

TOLERANCE = 1e-4
PARAMETERS = 21_759_012  # of the example's model


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def outputs(backend_processes, weights_folder) -> dict[str, ModelOutputs]:
    """What each backend computes with weights of its own; it saves some of them."""
    return backend_processes.call_each("integration.workers.model_parity:save_weights", weights_folder)


@pytest.fixture(scope="module")
def loaded(backend_processes, outputs, weights_folder) -> dict[str, dict[tuple[str, str], LoadedWeights]]:
    """What each backend computes with the weights that every backend has saved."""
    return backend_processes.call_each("integration.workers.model_parity:load_weights", weights_folder, list(BACKENDS))


def reference(p: ViT) -> np.ndarray:
    weights = variants.draw_vit_weights(p, len(variants.MANIFEST["class_names"]))
    return reference_logits(variants.make_images(), weights, variants.MANIFEST["normalization"], p)


def test_the_description_has_as_many_weights_as_the_example():
    shapes = variants.vit_shapes(variants.VITS[variants.FULL_SIZE], 100).values()
    assert sum(int(np.prod(shape)) for shape in shapes) == PARAMETERS


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_full_size_vit_has_as_many_weights_as_the_example(outputs, backend):
    assert outputs[backend].trainable_weights == PARAMETERS


@pytest.mark.parametrize("variant", variants.VITS)
def test_logits_agree_with_the_description_on_every_backend(outputs, variant):
    expected = reference(variants.VITS[variant])
    assert np.abs(expected).max() > 0.1  # otherwise a small difference would prove nothing
    for backend in BACKENDS:
        logits = outputs[backend].logits[variant]
        np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE, err_msg=backend)


def test_each_option_changes_the_logits():
    small = reference(variants.small_vit())
    without_effect = {"dropouts", "no dropout", "no augmentation"}  # outside training
    for option in set(variants.OPTIONS) - without_effect:
        assert np.abs(reference(variants.small_vit(option)) - small).max() > 0.01, option


def test_the_combinations_contain_every_option():
    assert {option for options in variants.COMBINATIONS.values() for option in options} == set(variants.OPTIONS)


@pytest.mark.parametrize("variant", variants.VITS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_copy_that_is_built_from_the_config_computes_the_same(outputs, backend, variant):
    logits, logits_of_copy = outputs[backend].logits[variant], outputs[backend].logits_of_copy[variant]
    np.testing.assert_allclose(logits_of_copy, logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", variants.SAVED)
@pytest.mark.parametrize("reader", BACKENDS)
@pytest.mark.parametrize("writer", BACKENDS)
def test_weights_that_one_backend_saves_load_on_every_other(outputs, loaded, writer, reader, variant):
    read, written = loaded[reader][writer, variant], outputs[writer].logits[variant]
    assert read.exact
    np.testing.assert_allclose(read.logits, written, rtol=0, atol=TOLERANCE * np.abs(written).max())


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_resnet50v2_computes_the_same_on_every_backend(outputs, backend):
    expected = outputs[BACKENDS[0]].logits[variants.RESNET]
    assert np.abs(expected).max() > 0.01
    logits = outputs[backend].logits[variants.RESNET]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
