"""A model of the user's own: found by its `builder`, built, and looked at before anything is measured with it."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from vitbench.config.models import UsersModel
from vitbench.system.logs import UserError


class BuilderError(UserError):
    """The builder cannot be imported or called, or what it returns is no model of images to logits."""


def build_custom_model(parameters: UsersModel, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """What the builder returns: raw images float32 (batch, *input_shape) of 0–255 in, (batch, classes) logits out.

    Raises BuilderError.
    """
    builder = _function(parameters)
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
            f"builder {parameters.builder}: images (batch, {', '.join(map(str, input_shape))}) become {shape}, "
            f"but should become logits (batch, {classes})"
        )
    _check_logits(model, parameters.builder, input_shape)
    return model


def _function(parameters: UsersModel) -> Callable[..., object]:
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(parameters.module)
    except Exception as error:
        raise BuilderError(f"builder {parameters.builder}: {parameters.module} cannot be imported: {error}") from error
    if not callable(function := getattr(module, parameters.function, None)):
        raise BuilderError(f"builder {parameters.builder}: {parameters.module} has no function {parameters.function!r}")
    return function


def _check_logits(model: keras.Model, builder: str, input_shape: tuple[int, int, int]) -> None:
    """The loss takes logits; probabilities would train all the same, badly, and nobody would see why."""
    images = np.random.default_rng(0).integers(0, 256, (4, *input_shape)).astype(np.float32)
    found = keras.ops.convert_to_numpy(model(images, training=False)).astype(np.float64)
    if not np.isfinite(found).all():
        raise BuilderError(f"builder {builder}: the untrained model's output is not a number everywhere")
    if (found >= 0).all() and np.allclose(found.sum(axis=-1), 1, atol=1e-3):
        raise BuilderError(
            f"builder {builder}: the model returns probabilities; leave out the softmax, so that it returns logits"
        )
