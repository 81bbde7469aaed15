"""Images, and what a Vision Transformer sees of them."""

import numpy as np

from vitbench.config import Config
from vitbench.figures import look
from vitbench.figures.look import Drawn


@look.styled
def patches(image: np.ndarray | None, config: Config, narrow: bool = False) -> Drawn:
    """A uint8 (height, width, 3) image at the size that the ViT of `config` sees, and the patches it is cut into."""
    vit = config.models.vit
    if image is None:
        return look.sentence("The images of this experiment are not beside its tables.", narrow)
    if vit is None:
        return look.sentence("No model of this experiment cuts images into patches.", narrow)
    size, patch, n = vit.image_size, vit.patch_size, vit.image_size // vit.patch_size
    seen = resize(image, size)
    gap = max(1, patch // 5)
    grid = np.zeros((n * (patch + gap) - gap,) * 2 + (4,), np.uint8)  # transparent between the patches
    for row, column in np.ndindex(n, n):
        top, left = row * (patch + gap), column * (patch + gap)
        tile = seen[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
        grid[top : top + patch, left : left + patch] = np.dstack([tile, np.full((patch, patch), 255, np.uint8)])
    figure = look.new(narrow, 7.8 if narrow else 4.6)
    panels = figure.subplots(*((2, 1) if narrow else (1, 2)))
    titles = (f"{size} × {size} pixels", f"{n} × {n} patches of {patch} × {patch} pixels")
    for axes, picture, title in zip(panels, (seen, grid), titles, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title)
        axes.axis("off")
    return figure, f"One training image resized to {titles[0]}, and the same image cut into {titles[1]}."


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (size, size, 3): bilinear with half-pixel centres and no antialiasing, as keras.layers.Resizing."""

    def positions(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, n - 1), at - low

    top, bottom, down = positions(image.shape[0])
    left, right, across = positions(image.shape[1])
    down, across, pixels = down[:, None, None], across[None, :, None], image.astype(float)
    rows = pixels[top] * (1 - down) + pixels[bottom] * down
    return np.round(rows[:, left] * (1 - across) + rows[:, right] * across).astype(np.uint8)
