"""Bilinear resizing in NumPy, with the result of `keras.layers.Resizing`."""

import numpy as np


def resize_bilinear(images: np.ndarray, size: int) -> np.ndarray:
    """Resizes images (..., H, W, C) to float64 (..., size, size, C).

    As in Keras, coordinates are those of pixel centres, edge pixels are repeated and there is no antialiasing.
    """
    top, bottom, down = _neighbours(images.shape[-3], size)
    left, right, across = _neighbours(images.shape[-2], size)
    down, across, pixels = down[:, None, None], across[None, :, None], images.astype(np.float64)
    rows = pixels[..., top, :, :] * (1 - down) + pixels[..., bottom, :, :] * down
    return rows[..., left, :] * (1 - across) + rows[..., right, :] * across


def _neighbours(n: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `size` new pixels on an axis of `n`: the old pixels before and after it, and the latter's weight."""
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.floor(position).astype(int)
    return low, np.minimum(low + 1, n - 1), position - low
