"""The Vision Transformer written for one backend alone, without Keras, from the same weights."""

import importlib

from vitbench.backends.registry import BACKENDS, get_backend
from vitbench.config.models import ViT
from vitbench.models.native.settings import Settings, Weights


def build_native(backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings):
    """The NativeViT of `backend`, with methods train, infer, gradients and place. Raises ValueError if it has none."""
    if not get_backend(backend).has_native_vit:
        available = ", ".join(name for name in BACKENDS if get_backend(name).has_native_vit)
        raise ValueError(f"{backend} has no native Vision Transformer; the backends that have one: {available}")
    module = importlib.import_module(f"vitbench.models.native.{backend}_vit")
    return module.NativeViT(p, normalization, weights, settings)
