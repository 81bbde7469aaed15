"""The Vision Transformer written for one backend alone, without Keras, from the same weights."""

import importlib

from vitbench.config.models import ViT
from vitbench.models.native.settings import Settings, Weights

NATIVE_VITS = {  # of the backends whose class says has_native_vit
    "jax": "vitbench.models.native.jax_vit:NativeViT",
    "torch": "vitbench.models.native.torch_vit:NativeViT",
}


def build_native(backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings):
    """The NativeViT of `backend`, with methods train, infer, gradients and place. Raises ValueError if it has none."""
    if backend not in NATIVE_VITS:
        raise ValueError(f"{backend} has no native Vision Transformer; these backends have one: {', '.join(NATIVE_VITS)}")
    module, _, name = NATIVE_VITS[backend].partition(":")
    return getattr(importlib.import_module(module), name)(p, normalization, weights, settings)
