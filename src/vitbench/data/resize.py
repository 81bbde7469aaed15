"""Bilinear resizing in NumPy, as `keras.layers.Resizing` does it."""

import numpy as np


def resize_bilinear(images: np.ndarray, size: int) -> np.ndarray:
    """float64 (..., size, size, C) from (..., H, W, C): half-pixel centres, repeated edges, no antialiasing."""

    def neighbours(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(position).astype(int)
        return low, np.minimum(low + 1, n - 1), position - low

    top, bottom, down = neighbours(images.shape[-3])
    left, right, across = neighbours(images.shape[-2])
    down, across, pixels = down[:, None, None], across[None, :, None], images.astype(np.float64)
    rows = pixels[..., top, :, :] * (1 - down) + pixels[..., bottom, :, :] * down
    return rows[..., left, :] * (1 - across) + rows[..., right, :] * across
