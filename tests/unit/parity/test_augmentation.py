import numpy as np

from vitbench.parity.augmentation import Draws, apply_draws, coordinate_images, read_draws


def draws(n: int = 1, flip: bool = False, angle: float = 0.0, zoom: tuple[float, float] = (1.0, 1.0)) -> Draws:
    return Draws(np.full(n, flip), np.full(n, angle), np.tile(zoom, (n, 1)))


IMAGE = np.random.default_rng(0).uniform(0, 255, (1, 6, 6))


def test_without_flip_rotation_and_zoom_the_image_is_unchanged():
    np.testing.assert_allclose(apply_draws(IMAGE, draws()), IMAGE)


def test_a_flip_mirrors_left_and_right():
    np.testing.assert_allclose(apply_draws(IMAGE, draws(flip=True)), IMAGE[:, :, ::-1])


def test_a_quarter_turn_moves_every_pixel():
    turned = apply_draws(IMAGE, draws(angle=np.pi / 2))[0]
    assert any(np.allclose(turned, np.rot90(IMAGE[0], k)) for k in (1, 3))


def test_a_zoom_above_one_shrinks_the_image():
    image = np.zeros((1, 9, 9))
    image[0, 4, 0] = 1
    shrunk = apply_draws(image, draws(zoom=(1.0, 2.0)))[0]
    assert shrunk[4, 2] == 1 and shrunk[4, 0] == 0


def test_draws_are_read_from_augmented_coordinates():
    random = np.random.default_rng(1)
    n, size = 50, 20
    drawn = Draws(random.random(n) < 0.5, random.uniform(-0.4, 0.4, n), random.uniform(0.7, 1.3, (n, 2)))
    images = coordinate_images(np.zeros((n, size, size)))
    augmented = np.stack([apply_draws(images[..., channel], drawn) for channel in range(3)], axis=-1)
    read = read_draws(augmented)
    np.testing.assert_array_equal(read.flips, drawn.flips)
    np.testing.assert_allclose(read.angles, drawn.angles, atol=1e-6)
    np.testing.assert_allclose(read.zooms, drawn.zooms, atol=1e-6)


def test_coordinates_run_from_edge_to_edge():
    images = coordinate_images(IMAGE)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images[0, 0, :, 0], (np.arange(6) - 2.5) / 6, rtol=1e-6)
    np.testing.assert_allclose(images[0, :, 0, 1], (np.arange(6) - 2.5) / 6, rtol=1e-6)
    np.testing.assert_allclose(images[..., 2], IMAGE, rtol=1e-6)
