import keras
import numpy as np
import pytest

from vitbench.data.resize import resize_bilinear


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (2, 5, 9, 3), (1, 40, 24, 1), (1, 1, 1, 3)])
@pytest.mark.parametrize("size", [1, 7, 24])
def test_images_are_resized_as_by_keras(shape, size):
    images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    expected = np.asarray(keras.layers.Resizing(size, size)(images))
    np.testing.assert_allclose(resize_bilinear(images, size), expected, atol=1e-3)


def test_the_same_size_returns_the_same_pixels_as_float64():
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), np.uint8)
    resized = resize_bilinear(images, 6)
    assert resized.dtype == np.float64
    np.testing.assert_array_equal(resized, images)


def test_edge_pixels_are_repeated_and_pixels_between_centres_are_averaged():
    row = np.array([0.0, 100.0]).reshape(1, 2, 1).repeat(2, axis=0)
    np.testing.assert_allclose(resize_bilinear(row, 4)[0, :, 0], [0.0, 25.0, 75.0, 100.0])


def test_any_leading_dimensions_are_kept():
    image = np.random.default_rng(0).uniform(size=(5, 4, 3))
    stacked = np.broadcast_to(image, (2, 3, 5, 4, 3))
    np.testing.assert_array_equal(resize_bilinear(stacked, 6)[1, 2], resize_bilinear(image, 6))


def test_a_single_uint8_image_is_resized_bilinearly_with_half_pixel_centres():
    image = np.array([[0, 100], [200, 100]], np.uint8)[..., None].repeat(3, axis=-1)
    rows = resize_bilinear(image, 4)[..., 0].tolist()
    assert rows[0] == [0, 25, 75, 100]
    assert rows[3] == [200, 175, 125, 100]
    np.testing.assert_array_equal(resize_bilinear(image, 2), image)
