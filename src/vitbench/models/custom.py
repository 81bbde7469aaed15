"""A custom model: imports its builder, builds it, and checks it before anything is measured."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vitbench.config.models import CustomModel
from vitbench.system.logs import UserError


class BuilderError(UserError):
    """The builder cannot be imported or called, or it does not return a model from images to logits."""


def build_custom_model(parameters: CustomModel, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model that the builder returns.

    It must map raw images, float32 (batch, *input_shape) with values 0–255, to logits (batch, classes). Raises
    BuilderError otherwise.
    """
    builder = _import_builder(parameters)
    try:
        model = builder(input_shape, classes, **parameters.options)
    except Exception as error:
        raise BuilderError(
            f"builder {parameters.builder} failed for input shape {input_shape}, {classes} classes and options "
            f"{parameters.options}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(model, keras.Model):
        raise BuilderError(f"builder {parameters.builder} returned {type(model).__name__}, not a keras.Model")
    if not model.built:
        model.build((None, *input_shape))
    shape = tuple(model.compute_output_shape((None, *input_shape)))
    if shape != (None, classes):
        raise BuilderError(
            f"builder {parameters.builder}: the model maps images (batch, {', '.join(map(str, input_shape))}) to "
            f"{shape}, but it must return logits (batch, {classes})"
        )
    _check_logits(model, parameters.builder, input_shape)
    return model


def _import_builder(parameters: CustomModel) -> Callable[..., Any]:
    working_directory = str(Path.cwd())
    if working_directory not in sys.path:
        sys.path.insert(0, working_directory)
    try:
        module = importlib.import_module(parameters.module)
    except Exception as error:
        raise BuilderError(f"builder {parameters.builder}: {parameters.module} cannot be imported: {error}") from error
    function = getattr(module, parameters.function, None)
    if not callable(function):
        raise BuilderError(f"builder {parameters.builder}: {parameters.module} has no function {parameters.function!r}")
    return function


def _check_logits(model: keras.Model, builder: str, input_shape: tuple[int, int, int]) -> None:
    """The loss expects logits. On probabilities it would train badly, without any error."""
    images = np.random.default_rng(0).integers(0, 256, (4, *input_shape)).astype(np.float32)
    output = keras.ops.convert_to_numpy(model(images, training=False)).astype(np.float64)
    if not np.isfinite(output).all():
        raise BuilderError(f"builder {builder}: the output of the untrained model contains NaN or infinite values")
    if (output >= 0).all() and np.allclose(output.sum(axis=-1), 1, atol=1e-3):
        raise BuilderError(
            f"builder {builder}: the model returns probabilities; remove the softmax so that it returns logits"
        )
