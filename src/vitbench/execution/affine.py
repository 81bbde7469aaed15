"""How an affine map is applied to images: the same bilinear sampling as Keras' layers do, in fewer operations.

On torch Keras takes the images of a batch one by one, in some fifty operations each; on JAX it interpolates between
channels, too. Here a batch is one call of grid_sample on torch, and four gathers elsewhere.
"""

from types import ModuleType
from typing import Any

import keras
import numpy as np

from vitbench.backends.process import current_backend


def share_generator(layer: keras.layers.Layer, twin: keras.layers.Layer) -> keras.layers.Layer:
    """`twin`, made to draw from the same generator as `layer`, but to sample by `affine`.

    It is turned off if `layer` has been.
    """
    if turned_off := vars(layer).get("call"):
        twin.call = turned_off
    if hasattr(layer, "generator"):
        twin.generator = layer.generator
    twin.backend = _Sampling(twin.backend)
    twin.supports_jit = True
    return twin


class _Sampling:
    """A backend as Keras' layers see it, with another image.affine_transform."""

    def __init__(self, backend: Any):
        self._other, self.image = backend, self

    def __getattr__(self, name: str):
        return getattr(self._other, name)

    def affine_transform(self, images, transform, fill_mode="reflect", interpolation="bilinear", **_unused):
        if (fill_mode, interpolation) != ("reflect", "bilinear"):
            raise ValueError(
                f"only bilinear sampling of mirrored images is done here, not {interpolation}, {fill_mode}"
            )
        return affine_transform(images, transform)


def affine_transform(images, transform):
    """(batch, H, W, C) sampled bilinearly; beyond its edge an image is mirrored, the edge pixel repeated.

    transform (batch, 8): a0 a1 a2 b0 b1 b2 and two that are not looked at; the pixel in column x and row y is taken
    from column a0·x + a1·y + a2 and row b0·x + b1·y + b2.
    """
    if fused := current_backend().fused_affine_transform:
        return fused(images, transform)
    return sample_bilinear(images, transform, keras.ops, lambda x: keras.ops.cast(x, "int32"))


def sample_bilinear(images, transform, ops: ModuleType, integers):
    """The same with the array functions of `ops`, keras.ops or numpy; `integers` makes whole floats to integers."""
    batch, height, width, channels = images.shape
    columns = np.arange(width, dtype=np.float32)[None, None, :]
    rows = np.arange(height, dtype=np.float32)[None, :, None]
    a0, a1, a2, b0, b1, b2 = (transform[:, i, None, None] for i in range(6))
    across, down = a0 * columns + a1 * rows + a2, b0 * columns + b1 * rows + b2
    left, top = ops.floor(across), ops.floor(down)
    to_right, to_bottom = (across - left)[..., None], (down - top)[..., None]
    count = batch if batch is not None else ops.shape(images)[0]
    flat = ops.reshape(images, (-1, channels))
    first = height * width * ops.reshape(ops.arange(0, count), (-1, 1, 1))

    def pixels(row, column):
        place = first + integers(_mirrored(row, height, ops)) * width + integers(_mirrored(column, width, ops))
        return ops.take(flat, place, axis=0)

    upper = pixels(top, left) * (1 - to_right) + pixels(top, left + 1) * to_right
    lower = pixels(top + 1, left) * (1 - to_right) + pixels(top + 1, left + 1) * to_right
    return upper * (1 - to_bottom) + lower * to_bottom


def _mirrored(place, size: int, ops: ModuleType):
    """… 2 1 0 | 0 1 2 … size − 1 | size − 1 …"""
    place = ops.mod(place, 2.0 * size)
    return ops.minimum(place, 2.0 * size - 1 - place)
