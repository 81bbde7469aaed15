"""The patches in the figure are those that the Vision Transformer sees."""

import numpy as np

from helpers import fake_results
from vitbench.report.figures.images import draw_patches


def test_patches_are_cut_from_the_image_at_the_models_size():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    figure, alt = draw_patches(image, fake_results.make_config())
    resized, grid = (axes.images[0].get_array() for axes in figure.axes)
    assert resized.shape == (24, 24, 3)
    opaque = grid[..., 3] == 255
    assert opaque.sum() == 24 * 24
    np.testing.assert_array_equal(grid[:4, :4, :3], resized[:4, :4])
    np.testing.assert_array_equal(grid[-4:, -4:, :3], resized[-4:, -4:])
    assert "6 × 6 patches of 4 × 4 pixels" in alt


def test_a_narrow_figure_stacks_the_panels():
    figure, _ = draw_patches(np.zeros((8, 8, 3), np.uint8), fake_results.make_config(), narrow=True)
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 1)


def test_a_figure_without_a_vit_or_an_image_says_so():
    settings = fake_results.make_config(models={"vit": None})
    _, alt = draw_patches(np.zeros((8, 8, 3), np.uint8), settings)
    assert alt == "No model of this experiment cuts images into patches."
    _, alt = draw_patches(None, fake_results.make_config())
    assert alt == "The images of this experiment are not stored with its results."
