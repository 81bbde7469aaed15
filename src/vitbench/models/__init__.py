"""The registry: turns a model's name and parameters into its parts, in the order an image passes through them."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from vitbench.config import ImageModel
from vitbench.models import resnet50v2, vit

BUILDERS: dict[str, Callable[..., keras.Model]] = {"vit": vit.build, "resnet50v2": resnet50v2.build}


@dataclass(frozen=True)
class Parts:
    """A model taken apart, so that each execution can put it together in its own way.

    input_shape: (H, W, 3) of a raw image.
    preprocessing: deterministic; raw images (batch, H, W, 3) of 0–255 to what the classifier takes.
    augmentation: random while training, the identity otherwise; may be empty.
    classifier: holds every trainable weight; its weight file fits each backend and each execution.
    """

    input_shape: tuple[int, int, int]
    preprocessing: list[layers.Layer]
    augmentation: list[layers.Layer]
    classifier: keras.Model


def build(name: str, parameters: ImageModel, manifest: dict) -> Parts:
    """The parts of model `name` for the data set that `manifest` describes."""
    size, normalization = parameters.image_size, manifest["normalization"]
    preprocessing = [
        layers.Normalization(mean=normalization["mean"], variance=normalization["variance"], name="normalization"),
        layers.Resizing(size, size, name="resizing"),
    ]
    augmentation = []
    if drawn := parameters.augmentation:
        if drawn.horizontal_flip:
            augmentation.append(layers.RandomFlip("horizontal", name="flip"))
        if drawn.rotation:
            augmentation.append(layers.RandomRotation(drawn.rotation, name="rotation"))
        if drawn.zoom:
            augmentation.append(layers.RandomZoom(drawn.zoom, drawn.zoom, name="zoom"))
    classifier = BUILDERS[name](parameters, len(manifest["class_names"]))
    return Parts(tuple(manifest["image_shape"]), preprocessing, augmentation, classifier)
