"""The ways in which the batches of a plan are drawn. Which images make up which batch is the same in all of them."""

from typing import TYPE_CHECKING

import keras
import numpy as np

from vitbench.data.batches import Batches
from vitbench.data.resize import resize_bilinear
from vitbench.execution.affine import sample_bilinear

if TYPE_CHECKING:
    from vitbench.backends.plan import Plan
    from vitbench.models.registry import ModelParts


def build_input_pipeline(batches: Batches, plan: "Plan", parts: "ModelParts") -> Batches:
    """`batches` of raw images, drawn in the way that `plan` says."""
    arguments = batches.images, batches.labels, batches.batch_size, batches.seed, batches.steps
    if plan.augmentation == "outside":
        return AugmentedBatches(*arguments, parts=parts)
    if plan.input_pipeline == "device":
        return DeviceBatches(*arguments)
    return TfDataBatches(*arguments) if plan.input_pipeline == "arrays" else batches


class DeviceBatches(Batches):
    """Draws on the device, which holds all images."""

    def __init__(self, images, labels, *arguments):
        super().__init__(images, labels, *arguments)
        self._held = [keras.ops.convert_to_tensor(np.asarray(array)) for array in (images, labels)]

    def __getitem__(self, step: int):
        chosen = keras.ops.convert_to_tensor(self._chosen(step))
        return tuple(keras.ops.take(array, chosen, axis=0) for array in self._held)


class TfDataBatches(Batches):
    """Leaves the drawing to tf.data, which is told the order once per epoch. For TensorFlow."""

    def __init__(self, images, labels, *arguments):
        import tensorflow as tf

        super().__init__(images, labels, *arguments)
        with tf.device("cpu:0"):  # where tf.data works
            self._held = [tf.constant(np.asarray(array)) for array in (images, labels)]

    def fed(self):
        import tensorflow as tf

        def order():
            yield np.concatenate([self._chosen(step) for step in range(len(self))])

        orders = tf.data.Dataset.from_generator(order, output_signature=tf.TensorSpec([None], tf.int64))
        drawn = orders.unbatch().batch(self.batch_size).map(lambda i: tuple(tf.gather(held, i) for held in self._held))
        return drawn.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(tf.data.AUTOTUNE)


class AugmentedBatches(Batches):
    """Resizes and augments, with NumPy. What is drawn is decided by seed, epoch and step."""

    def __init__(self, *arguments, parts: "ModelParts"):
        super().__init__(*arguments)
        self._parts = parts

    def __getitem__(self, step: int):
        images, labels = super().__getitem__(step)
        random = np.random.default_rng([self.seed or 0, self.epoch, step])
        return augment_images(images, self._parts, random), labels


def augment_images(images: np.ndarray, parts: "ModelParts", random: np.random.Generator) -> np.ndarray:
    """float32 (batch, size, size, 3) of raw images, resized, then flipped, rotated and zoomed as `parts` say.

    Not yet normalised, which makes no difference, since all that is done here is to take weighted means of pixels.
    """
    _, size, _, _ = parts.preprocessing[-1].compute_output_shape((1, *images.shape[1:]))
    images, n = resize_bilinear(images, size).astype(np.float32), len(images)
    for layer in parts.augmentation:
        if isinstance(layer, keras.layers.RandomFlip):
            flipped = random.random(n) < 1 / 2
            images[flipped] = images[flipped, :, ::-1]
        elif isinstance(layer, keras.layers.RandomRotation):
            angles = 2 * np.pi * random.uniform(*layer.factor, n)
            cos, sin = np.cos(angles), np.sin(angles)
            images = _sampled(images, np.array([[cos, -sin], [sin, cos]]))
        else:
            across = 1 + random.uniform(layer.width_lower, layer.width_upper, n)
            down = 1 + random.uniform(layer.height_lower, layer.height_upper, n)
            images = _sampled(images, np.array([[across, 0 * down], [0 * across, down]]))
    return images


def _sampled(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Each image sampled at a linear map of its pixels' places, as seen from its centre; maps (2, 2, batch)."""
    centre = (images.shape[1] - 1) / 2
    offsets = centre * (1 - maps.sum(axis=1))
    transform = np.stack([maps[0, 0], maps[0, 1], offsets[0], maps[1, 0], maps[1, 1], offsets[1]], axis=1)
    return sample_bilinear(images, transform.astype(np.float32), np, lambda x: x.astype(np.int64))
