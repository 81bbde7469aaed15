"""The input pipelines: how the batches reach the model. All of them make up the same batches from the same images."""

import keras
import numpy as np

from vitbench.backends.plan import Plan
from vitbench.data.batches import Batches
from vitbench.data.resize import resize_bilinear
from vitbench.execution.affine import sample_bilinear
from vitbench.models.registry import ModelParts


def build_input_pipeline(batches: Batches, plan: Plan, parts: ModelParts) -> Batches:
    """`batches` of raw images, drawn and augmented as `plan` says."""
    arguments = batches.images, batches.labels, batches.batch_size, batches.seed, batches.steps
    if plan.augmentation == "outside":
        return AugmentedBatches(*arguments, parts=parts)
    if plan.input_pipeline == "device":
        return DeviceBatches(*arguments)
    return TfDataBatches(*arguments) if plan.input_pipeline == "arrays" else batches


class DeviceBatches(Batches):
    """Copies all images to the device and gathers the batches there."""

    def __init__(self, images, labels, *arguments):
        super().__init__(images, labels, *arguments)
        self._tensors = [keras.ops.convert_to_tensor(np.asarray(array)) for array in (images, labels)]

    def __getitem__(self, step: int):
        indices = keras.ops.convert_to_tensor(self._indices(step))
        return tuple(keras.ops.take(tensor, indices, axis=0) for tensor in self._tensors)


class TfDataBatches(Batches):
    """Lets tf.data gather the batches, in an order that it gets once per epoch. For TensorFlow."""

    def __init__(self, images, labels, *arguments):
        import tensorflow as tf

        super().__init__(images, labels, *arguments)
        with tf.device("cpu:0"):  # tf.data runs on the host
            self._tensors = [tf.constant(np.asarray(array)) for array in (images, labels)]

    def fit_input(self):
        import tensorflow as tf

        def epoch_order():
            yield np.concatenate([self._indices(step) for step in range(len(self))])

        def gather(indices):
            return tuple(tf.gather(tensor, indices) for tensor in self._tensors)

        orders = tf.data.Dataset.from_generator(epoch_order, output_signature=tf.TensorSpec([None], tf.int64))
        batches = orders.unbatch().batch(self.batch_size).map(gather)
        return batches.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(tf.data.AUTOTUNE)


class AugmentedBatches(Batches):
    """Resizes and augments each batch with NumPy. Seed, epoch and step decide the random draws."""

    def __init__(self, *arguments, parts: ModelParts):
        super().__init__(*arguments)
        self._parts = parts

    def __getitem__(self, step: int):
        images, labels = super().__getitem__(step)
        random = np.random.default_rng([self.seed or 0, self.epoch, step])
        return augment_images(images, self._parts, random), labels


def augment_images(images: np.ndarray, parts: ModelParts, random: np.random.Generator) -> np.ndarray:
    """Resizes raw images and applies the augmentation of `parts` to them: float32 (batch, size, size, 3).

    The images are not normalised yet. The order makes no difference, because resizing and augmentation only take
    weighted means of pixels.
    """
    _, size, _, _ = parts.preprocessing[-1].compute_output_shape((1, *images.shape[1:]))
    images, n = resize_bilinear(images, size).astype(np.float32), len(images)
    for layer in parts.augmentation:
        if isinstance(layer, keras.layers.RandomFlip):
            flipped = random.random(n) < 1 / 2
            images[flipped] = images[flipped, :, ::-1]
        elif isinstance(layer, keras.layers.RandomRotation):
            low, high = layer.factor
            angles = 2 * np.pi * random.uniform(low, high, n)
            cos, sin = np.cos(angles), np.sin(angles)
            images = _transform(images, np.array([[cos, -sin], [sin, cos]]))
        else:
            width_zoom = 1 + random.uniform(layer.width_lower, layer.width_upper, n)
            height_zoom = 1 + random.uniform(layer.height_lower, layer.height_upper, n)
            zero = np.zeros(n)
            images = _transform(images, np.array([[width_zoom, zero], [zero, height_zoom]]))
    return images


def _transform(images: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Samples each image at its pixel coordinates times its matrix, counted from the centre; matrices (2, 2, batch)."""
    centre = (images.shape[1] - 1) / 2
    offsets = centre * (1 - matrices.sum(axis=1))
    rows = [matrices[0, 0], matrices[0, 1], offsets[0], matrices[1, 0], matrices[1, 1], offsets[1]]
    transform = np.stack(rows, axis=1).astype(np.float32)
    return sample_bilinear(images, transform, np, lambda x: x.astype(np.int64))
