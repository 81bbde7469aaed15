"""The Vision Transformer written for one backend alone, without Keras: which backends have one, and its interface.

A native model starts from the same weights as the Keras model and computes the same; the step parity checks that. It
is written as one would for that backend alone. It is timed beside the Keras model to measure what Keras costs, and it
is used for nothing else.
"""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vitbench.backends.process import current_backend
from vitbench.config.models import ViT

NATIVE_VITS = {  # of each backend whose class sets has_native_vit → module:class
    "jax": "vitbench.models.native.jax_vit:JaxViT",
    "torch": "vitbench.models.native.torch_vit:TorchViT",
    "tensorflow": "vitbench.models.native.tensorflow_vit:TensorflowViT",
}

Weights = dict[str, np.ndarray]  # by the path of the weight in the Keras model


@dataclass(frozen=True)
class Settings:
    """How a native model is trained and executed.

    learning_rate, weight_decay, epsilon: of AdamW as Keras defines it. Each step takes learning_rate · weight_decay off
        every weight, relative to the weight.
    precision: float32, tf32 or mixed_bfloat16.
    compiled: whether torch.compile, or XLA on TensorFlow with a GPU, compiles the step. JAX always compiles it.
    """

    learning_rate: float
    weight_decay: float
    precision: str = "float32"
    compiled: bool = True
    epsilon: float = 1e-7  # the default of Keras


class NativeViT(Protocol):
    """What a native model offers. Its constructor takes the arguments of `build_native` after `backend`.

    Images are raw, uint8 (batch, H, W, 3); labels are int32 (batch,).
    """

    def train(self, images: np.ndarray, labels: np.ndarray) -> Any:
        """Trains one step and returns the loss before it, a scalar on the device. It does not wait for the device."""
        ...

    def infer(self, images: np.ndarray) -> np.ndarray:
        """Logits float32 (batch, classes), on the host."""
        ...

    def gradients(self, images: np.ndarray, labels: np.ndarray) -> Weights:
        """The gradient of the loss in training mode, by the path of the weight in the Keras model."""
        ...

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """Copies of the images and labels on the device, which `train` takes as well."""
        ...


def build_native(backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings) -> NativeViT:
    """The native model of `backend` with the given weights. The process must have started that backend.

    normalization: `mean` and `variance` of each channel. Raises ValueError if `backend` has no native model, and
    CompilerError if it is to be compiled and this machine has no compiler for it.
    """
    if backend not in NATIVE_VITS:
        raise ValueError(f"{backend} has no native Vision Transformer; only {', '.join(NATIVE_VITS)} have one")
    if settings.compiled:
        current_backend().check_compiler()
    module, _, name = NATIVE_VITS[backend].partition(":")
    return getattr(importlib.import_module(module), name)(p, normalization, weights, settings)
