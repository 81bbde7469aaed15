"""Images, and how a Vision Transformer cuts them into patches."""

import numpy as np

from vitbench.config.schema import Config
from vitbench.data.resize import resize_bilinear
from vitbench.report.figures.style import FigureWithAlt, apply_style, empty_figure, new_figure


@apply_style
def draw_patches(image: np.ndarray | None, config: Config, narrow: bool = False) -> FigureWithAlt:
    """An image, resized for the Vision Transformer of `config`, beside the patches that it is cut into.

    image: uint8, (height, width, 3).
    """
    vit = config.models.vit
    if image is None:
        return empty_figure("The images of this experiment are not stored with its results.", narrow)
    if vit is None:
        return empty_figure("No model of this experiment cuts images into patches.", narrow)
    size, patch, count = vit.image_size, vit.patch_size, vit.image_size // vit.patch_size
    resized = np.round(resize_bilinear(image, size)).astype(np.uint8)
    gap = max(1, patch // 5)
    side = count * (patch + gap) - gap
    grid = np.zeros((side, side, 4), np.uint8)  # transparent between the patches
    opaque = np.full((patch, patch), 255, np.uint8)
    for row, column in np.ndindex(count, count):
        top, left = row * (patch + gap), column * (patch + gap)
        tile = resized[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
        grid[top : top + patch, left : left + patch] = np.dstack([tile, opaque])
    figure = new_figure(narrow, 7.8 if narrow else 4.6)
    panels = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
    titles = (f"{size} × {size} pixels", f"{count} × {count} patches of {patch} × {patch} pixels")
    for axes, pixels, title in zip(panels, (resized, grid), titles, strict=True):
        axes.imshow(pixels, interpolation="nearest")
        axes.set_title(title)
        axes.axis("off")
    return figure, f"One training image resized to {titles[0]}, and the same image cut into {titles[1]}."
