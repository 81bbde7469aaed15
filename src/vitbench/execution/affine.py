"""Applies affine transforms to images: the bilinear sampling of Keras' augmentation layers, in fewer operations.

On torch, Keras transforms the images of a batch one by one, with about fifty operations each; on JAX it interpolates
between channels as well. Here a batch takes one call where the backend has a fused sampler, and four gathers elsewhere.
"""

from types import ModuleType
from typing import Any

import keras
import numpy as np

from vitbench.backends.process import current_backend


def use_affine_sampler(copy: keras.layers.Layer, original: keras.layers.Layer) -> keras.layers.Layer:
    """Makes the augmentation layer `copy` draw from the generator of `original` but sample by `affine_transform`.

    A call that was replaced on `original`, as in deterministic mode, is replaced on the copy as well. Returns `copy`.
    """
    if replaced_call := vars(original).get("call"):
        copy.call = replaced_call
    if hasattr(original, "generator"):
        copy.generator = original.generator
    copy.backend = _AffineBackend(copy.backend)
    copy.supports_jit = True
    return copy


class _AffineBackend:
    """The backend object that a Keras layer computes with, except for `image.affine_transform` and random numbers."""

    def __init__(self, backend: Any):
        self._wrapped = backend  # Keras reads the attribute _backend, so this one must have another name
        self.image = self
        if fused_uniform := current_backend().fused_uniform:
            self.random, self.uniform = self, fused_uniform

    def __getattr__(self, name: str):
        return getattr(self._wrapped, name)

    def affine_transform(self, images, transform, fill_mode="reflect", interpolation="bilinear", **_unused):
        if (fill_mode, interpolation) != ("reflect", "bilinear"):
            raise ValueError(f"the sampler is bilinear and mirrors edges; it cannot do {interpolation}, {fill_mode}")
        return affine_transform(images, transform)


def affine_transform(images, transform):
    """Samples images (batch, H, W, C) bilinearly. Beyond its edge an image is mirrored, with the edge pixel repeated.

    transform: (batch, 8), a0 a1 a2 b0 b1 b2 and two values that are ignored. The pixel in column x and row y is sampled
    at column a0·x + a1·y + a2 and row b0·x + b1·y + b2.
    """
    if fused := current_backend().fused_affine_transform:
        return fused(images, transform)
    return sample_bilinear(images, transform, keras.ops, lambda x: keras.ops.cast(x, "int32"))


def sample_bilinear(images, transform, ops: ModuleType, to_int):
    """`affine_transform` with the array functions of `ops`, keras.ops or numpy.

    to_int: converts floats with integer values to integers.
    """
    batch, height, width, channels = images.shape
    columns = np.arange(width, dtype=np.float32)[None, None, :]
    rows = np.arange(height, dtype=np.float32)[None, :, None]
    a0, a1, a2, b0, b1, b2 = (transform[:, i, None, None] for i in range(6))
    x, y = a0 * columns + a1 * rows + a2, b0 * columns + b1 * rows + b2
    left, top = ops.floor(x), ops.floor(y)
    right_weight, bottom_weight = (x - left)[..., None], (y - top)[..., None]
    n = batch if batch is not None else ops.shape(images)[0]
    pixels = ops.reshape(images, (-1, channels))
    first_pixel = height * width * ops.reshape(ops.arange(0, n), (-1, 1, 1))

    def gather(row, column):
        row, column = to_int(_mirror(row, height, ops)), to_int(_mirror(column, width, ops))
        return ops.take(pixels, first_pixel + row * width + column, axis=0)

    upper = gather(top, left) * (1 - right_weight) + gather(top, left + 1) * right_weight
    lower = gather(top + 1, left) * (1 - right_weight) + gather(top + 1, left + 1) * right_weight
    return upper * (1 - bottom_weight) + lower * bottom_weight


def _mirror(index, size: int, ops: ModuleType):
    """Maps any index into the image: … 2 1 0 | 0 1 2 … size − 1 | size − 1 …"""
    index = ops.mod(index, 2.0 * size)
    return ops.minimum(index, 2.0 * size - 1 - index)
