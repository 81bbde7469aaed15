import numpy as np
import pytest
from scipy.special import log_softmax

from vitbench.config.models import ViT
from vitbench.parity.reference import (
    cross_entropy,
    directional_slope,
    extract_patches,
    gelu,
    random_direction,
    reference_logits,
    reference_quantities,
    resize,
)

RANDOM = np.random.default_rng(0)
NORMALIZATION = {"mean": [120.0, 118.0, 110.0], "variance": [4000.0, 3900.0, 4100.0]}


def test_gelu_weighs_its_input_by_the_normal_distribution():
    np.testing.assert_allclose(gelu(np.array([0.0, 1.0, -1.0])), [0, 0.841345, -0.158655], atol=1e-6)


def test_cross_entropy_is_the_mean_negative_log_probability_of_the_labels():
    logits, labels = RANDOM.normal(size=(5, 3)), np.array([0, 1, 2, 0, 1])
    assert cross_entropy(logits, labels) == pytest.approx(-log_softmax(logits, axis=1)[range(5), labels].mean())
    assert cross_entropy(np.array([[1000.0, 0.0]]), np.array([0])) == 0  # without overflow


def test_patches_are_read_row_by_row():
    images = np.arange(16).reshape(1, 4, 4, 1)
    assert extract_patches(images, 2)[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_resizing_interpolates_between_pixel_centres_and_repeats_the_edge():
    image = np.array([[0.0, 1.0], [2.0, 3.0]]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(resize(image, 4)[0, 0, :, 0], [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(resize(image, 4)[0, :, 0, 0], [0, 0.5, 1.5, 2])
    np.testing.assert_array_equal(resize(image, 2), image)


def test_a_direction_depends_only_on_path_and_shape():
    np.testing.assert_array_equal(random_direction("a/kernel", (2, 3)), random_direction("a/kernel", (2, 3)))
    assert not np.array_equal(random_direction("a/kernel", (2, 3)), random_direction("b/kernel", (2, 3)))


def test_the_slope_is_the_product_of_gradients_and_directions():
    gradients = {"gradient/a": RANDOM.normal(size=(2, 3)), "gradient/b": RANDOM.normal(size=4), "logits": np.ones(9)}
    shapes = {"a": (2, 3), "b": (4,)}
    products = [gradients[f"gradient/{name}"] * random_direction(name, shape) for name, shape in shapes.items()]
    assert directional_slope(gradients) == pytest.approx([sum(product.sum() for product in products)])


def linear_vit() -> tuple[ViT, dict[str, np.ndarray]]:
    """A Vision Transformer without blocks: a normalised linear map of the patches, and its weights."""
    p = ViT.model_construct(image_size=4, patch_size=2, layers=0, epsilon=1e-6, pooling="flatten", head_units=[])
    weights = {
        "patch_encoder/projection/kernel": RANDOM.normal(size=(12, 5)),
        "patch_encoder/projection/bias": RANDOM.normal(size=5),
        "patch_encoder/position_embedding/embeddings": RANDOM.normal(size=(4, 5)),
        "final_norm/gamma": RANDOM.normal(size=5),
        "final_norm/beta": RANDOM.normal(size=5),
        "logits/kernel": RANDOM.normal(size=(20, 3)),
        "logits/bias": RANDOM.normal(size=3),
    }
    return p, weights


def test_the_slope_agrees_with_the_exact_derivative():
    """The derivative with respect to the last layer is known: that of the cross-entropy, times the features."""
    p, weights = linear_vit()
    images, labels = RANDOM.integers(0, 256, (6, 4, 4, 3)), np.array([0, 1, 2, 0, 1, 2])
    last = {name: value for name, value in weights.items() if name.startswith("logits")}
    logits = reference_logits(images, weights, NORMALIZATION, p)
    without_kernel = weights | {"logits/kernel": np.eye(20), "logits/bias": np.zeros(20)}
    features = reference_logits(images, without_kernel, NORMALIZATION, p)
    errors = (np.exp(log_softmax(logits, axis=1)) - np.eye(3)[labels]) / len(labels)
    exact = {"gradient/logits/kernel": features.T @ errors, "gradient/logits/bias": errors.sum(axis=0)}

    step = 1e-5
    moved = {name: value + step * random_direction(name, value.shape) for name, value in last.items()}
    difference = cross_entropy(reference_logits(images, weights | moved, NORMALIZATION, p), labels)
    difference -= cross_entropy(logits, labels)
    assert directional_slope(exact)[0] == pytest.approx(difference / step, rel=1e-3)


def test_quantities_are_the_logits_the_loss_and_the_slope_in_float64():
    p, weights = linear_vit()
    images, labels = RANDOM.integers(0, 256, (6, 4, 4, 3)), np.array([0, 1, 2, 0, 1, 2])
    quantities = reference_quantities(images, labels, weights, NORMALIZATION, p)
    assert {name: value.shape for name, value in quantities.items()} == {"logits": (6, 3), "loss": (1,), "slope": (1,)}
    assert all(value.dtype == np.float64 for value in quantities.values())
    assert quantities["loss"][0] == cross_entropy(quantities["logits"], labels)
