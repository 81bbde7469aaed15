"""The models by name. A name and its parameters become the parts of a model, in the order an image passes them."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from vitbench.config.models import CustomModel, ImageModel, Parameters
from vitbench.models import resnet50v2, vit
from vitbench.models.custom import build_custom_model

# Name in the config → function (parameters, classes) → classifier.
BUILDERS: dict[str, Callable[..., keras.Model]] = {"vit": vit.build, "resnet50v2": resnet50v2.build}


@dataclass(frozen=True)
class ModelParts:
    """A model taken apart, so that each execution can assemble it in its own way.

    input_shape: (H, W, 3) of a raw image.
    preprocessing: deterministic layers from raw images, (batch, H, W, 3) with values 0–255, to the classifier's input.
    augmentation: layers that are random in training and the identity otherwise; may be empty. Like the preprocessing,
        they compute in float32 at every precision, because bfloat16 rounds pixel coordinates above 32 to multiples of
        1/4.
    classifier: holds every trainable weight, so its weight file fits each backend and each execution. A custom model
        consists of the classifier alone, which takes raw images.
    build_augmentation: returns new layers with the settings of `augmentation`.
    """

    input_shape: tuple[int, int, int]
    preprocessing: list[layers.Layer]
    augmentation: list[layers.Layer]
    classifier: keras.Model
    build_augmentation: Callable[[], list[layers.Layer]] = list

    def trainable_weights(self) -> dict[str, np.ndarray]:
        """Copies of the trainable weights on the host, by path."""
        return {weight.path: np.array(weight.numpy()) for weight in self.classifier.trainable_weights}


def build_model(name: str, parameters: Parameters, manifest: dict) -> ModelParts:
    """The parts of model `name` for the data set that `manifest` describes. Raises BuilderError for a custom model."""
    input_shape, classes = tuple(manifest["image_shape"]), len(manifest["class_names"])
    if isinstance(parameters, CustomModel):
        return ModelParts(input_shape, [], [], build_custom_model(parameters, input_shape, classes))
    return ModelParts(
        input_shape,
        _build_preprocessing(parameters, manifest["normalization"]),
        _build_augmentation(parameters),
        BUILDERS[name](parameters, classes),
        lambda: _build_augmentation(parameters),
    )


def _build_preprocessing(parameters: ImageModel, normalization: dict) -> list[layers.Layer]:
    mean, variance = normalization["mean"], normalization["variance"]
    return [
        layers.Normalization(mean=mean, variance=variance, name="normalization", dtype="float32"),
        layers.Resizing(parameters.image_size, parameters.image_size, name="resizing", dtype="float32"),
    ]


def _build_augmentation(parameters: ImageModel) -> list[layers.Layer]:
    settings, augmentation = parameters.augmentation, []
    if settings and settings.horizontal_flip:
        augmentation.append(layers.RandomFlip("horizontal", name="flip", dtype="float32"))
    if settings and settings.rotation:
        augmentation.append(layers.RandomRotation(settings.rotation, name="rotation", dtype="float32"))
    if settings and settings.zoom:
        augmentation.append(layers.RandomZoom(settings.zoom, settings.zoom, name="zoom", dtype="float32"))
    return augmentation
