import jax
import keras
import numpy as np
import pytest

from vitbench.execution.affine import affine_transform, sample_bilinear, use_affine_sampler

IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 7, 9, 3)).astype(np.float32)


def draw_transforms(n: int) -> np.ndarray:
    """(n, 8): maps near the identity whose shifts lead beyond the edges."""
    random = np.random.default_rng(1)
    identity = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)
    changes = random.uniform(-1, 1, (n, 8)) * [0.3, 0.3, 6, 0.3, 0.3, 6, 0, 0]
    return (identity + changes).astype(np.float32)


def test_images_are_sampled_as_by_keras():
    transforms = draw_transforms(len(IMAGES))
    expected = keras.ops.image.affine_transform(IMAGES, transforms, interpolation="bilinear", fill_mode="reflect")
    np.testing.assert_allclose(np.asarray(affine_transform(IMAGES, transforms)), np.asarray(expected), atol=0.02)


def test_the_sampler_contains_no_matrix_product():
    """In TF32, a matrix product would round the coordinates of pixels."""
    images, transforms = np.zeros((2, 12, 12, 3), np.float32), draw_transforms(2).astype(np.float32)
    assert "dot_general" not in str(jax.make_jaxpr(affine_transform)(images, transforms))
    layer = keras.layers.RandomZoom(0.1)
    assert "dot_general" in str(jax.make_jaxpr(lambda x: layer(x, training=True))(images)), "Keras' own layer has one"


def test_numpy_and_keras_sample_the_same():
    transforms = draw_transforms(len(IMAGES))
    by_numpy = sample_bilinear(IMAGES, transforms, np, lambda x: x.astype(np.int64))
    np.testing.assert_allclose(by_numpy, np.asarray(affine_transform(IMAGES, transforms)), atol=1e-2)


def test_the_identity_changes_nothing_and_a_shift_mirrors_the_edge():
    identity = np.array([[1, 0, 0, 0, 1, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(np.asarray(affine_transform(IMAGES[:1], identity)), IMAGES[:1])
    two_to_the_left = identity + np.array([[0, 0, -2, 0, 0, 0, 0, 0]], np.float32)
    shifted = np.asarray(affine_transform(IMAGES[:1], two_to_the_left))
    np.testing.assert_array_equal(shifted[0, :, :4], IMAGES[0][:, [1, 0, 0, 1]])


def test_a_layer_with_the_sampler_draws_the_same_and_computes_the_same():
    original = keras.layers.RandomRotation(0.1, seed=3, dtype="float32")
    copy = use_affine_sampler(keras.layers.RandomRotation(0.1, dtype="float32"), original)
    state = np.array(original.generator.state.value)
    expected = np.asarray(original(IMAGES, training=True))
    assert copy.generator is original.generator and copy.supports_jit
    original.generator.state.assign(state)
    np.testing.assert_allclose(np.asarray(copy(IMAGES, training=True)), expected, atol=0.02)


def test_a_call_that_was_replaced_is_replaced_on_the_copy():
    original = keras.layers.RandomZoom(0.2)
    original.call = lambda images, training=None: images
    copy = use_affine_sampler(keras.layers.RandomZoom(0.2), original)
    np.testing.assert_array_equal(np.asarray(copy(IMAGES, training=True)), IMAGES)


@pytest.mark.parametrize("options", [{"fill_mode": "constant"}, {"interpolation": "nearest"}])
def test_other_fill_modes_and_interpolations_are_refused(options):
    layer = keras.layers.RandomRotation(0.1, **options)
    sampled = use_affine_sampler(layer, keras.layers.RandomRotation(0.1))
    with pytest.raises(ValueError, match="bilinear"):
        sampled(IMAGES, training=True)
