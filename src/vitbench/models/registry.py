"""The registry: turns a model's name and parameters into its parts, in the order an image passes through them."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from vitbench.config.models import ImageModel, Parameters, UsersModel
from vitbench.models import resnet50v2, vit
from vitbench.models.custom import build_custom_model

BUILDERS: dict[str, Callable[..., keras.Model]] = {"vit": vit.build, "resnet50v2": resnet50v2.build}


@dataclass(frozen=True)
class ModelParts:
    """A model taken apart, so that each execution can put it together in its own way.

    input_shape: (H, W, 3) of a raw image.
    preprocessing: deterministic; raw images (batch, H, W, 3) of 0–255 to what the classifier takes.
    augmentation: random while training, the identity otherwise; may be empty. Both compute in float32 whatever the
        precision: in bfloat16, places of pixels beyond the 32nd would be rounded to quarters.
    classifier: holds every trainable weight; its weight file fits each backend and each execution. A model of the
        user's own is all classifier: it takes raw images.
    """

    input_shape: tuple[int, int, int]
    preprocessing: list[layers.Layer]
    augmentation: list[layers.Layer]
    classifier: keras.Model
    twins: Callable[[], list[layers.Layer]] = list  # makes other layers like those of the augmentation

    def trainable_weights(self) -> dict[str, np.ndarray]:
        """Copies, by path, on the host."""
        return {weight.path: np.array(weight.numpy()) for weight in self.classifier.trainable_weights}


def build_model(name: str, parameters: Parameters, manifest: dict) -> ModelParts:
    """The parts of model `name` for the data set that `manifest` describes. Raises users.BuilderError."""
    input_shape, classes = tuple(manifest["image_shape"]), len(manifest["class_names"])
    if isinstance(parameters, UsersModel):
        return ModelParts(input_shape, [], [], build_custom_model(parameters, input_shape, classes))
    preprocessing, augmentation = _preprocessing(parameters, manifest["normalization"]), _augmentation(parameters)
    classifier = BUILDERS[name](parameters, classes)
    return ModelParts(input_shape, preprocessing, augmentation, classifier, lambda: _augmentation(parameters))


def _preprocessing(parameters: ImageModel, normalization: dict) -> list[layers.Layer]:
    mean, variance = normalization["mean"], normalization["variance"]
    return [
        layers.Normalization(mean=mean, variance=variance, name="normalization", dtype="float32"),
        layers.Resizing(parameters.image_size, parameters.image_size, name="resizing", dtype="float32"),
    ]


def _augmentation(parameters: ImageModel) -> list[layers.Layer]:
    augmentation: list[layers.Layer] = []
    if drawn := parameters.augmentation:
        if drawn.horizontal_flip:
            augmentation.append(layers.RandomFlip("horizontal", name="flip", dtype="float32"))
        if drawn.rotation:
            augmentation.append(layers.RandomRotation(drawn.rotation, name="rotation", dtype="float32"))
        if drawn.zoom:
            augmentation.append(layers.RandomZoom(drawn.zoom, drawn.zoom, name="zoom", dtype="float32"))
    return augmentation
