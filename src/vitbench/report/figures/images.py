"""Images, and what a Vision Transformer sees of them."""

import numpy as np

from vitbench.config.schema import Config
from vitbench.data.resize import resize_bilinear
from vitbench.report.figures import style
from vitbench.report.figures.style import Drawn, empty_figure, new_figure


@style.styled
def patches(image: np.ndarray | None, config: Config, narrow: bool = False) -> Drawn:
    """A uint8 (height, width, 3) image at the size that the ViT of `config` sees, and the patches it is cut into."""
    vit = config.models.vit
    if image is None:
        return empty_figure("The images of this experiment are not beside its tables.", narrow)
    if vit is None:
        return empty_figure("No model of this experiment cuts images into patches.", narrow)
    size, patch, n = vit.image_size, vit.patch_size, vit.image_size // vit.patch_size
    seen = np.round(resize_bilinear(image, size)).astype(np.uint8)
    gap = max(1, patch // 5)
    grid = np.zeros((n * (patch + gap) - gap,) * 2 + (4,), np.uint8)  # transparent between the patches
    for row, column in np.ndindex(n, n):
        top, left = row * (patch + gap), column * (patch + gap)
        tile = seen[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
        grid[top : top + patch, left : left + patch] = np.dstack([tile, np.full((patch, patch), 255, np.uint8)])
    figure = new_figure(narrow, 7.8 if narrow else 4.6)
    panels = figure.subplots(*((2, 1) if narrow else (1, 2)))
    titles = (f"{size} × {size} pixels", f"{n} × {n} patches of {patch} × {patch} pixels")
    for axes, picture, title in zip(panels, (seen, grid), titles, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title)
        axes.axis("off")
    return figure, f"One training image resized to {titles[0]}, and the same image cut into {titles[1]}."
