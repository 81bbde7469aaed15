"""The compared quantities of a native model."""

import numpy as np

from vitbench.config.models import ViT
from vitbench.data.batches import Batches
from vitbench.models.native.registry import Settings, Weights, build_native
from vitbench.parity.tolerance import Quantities


def collect_native_quantities(
    backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings, batches: Batches
) -> Quantities:
    """The quantities of `collect_quantities`, without state, which a Vision Transformer does not have."""
    model = build_native(backend, without_randomness(p), normalization, weights, settings)
    quantities = {"logits": model.infer(batches[0][0])}
    quantities |= {f"gradient/{path}": value for path, value in model.gradients(*batches[0]).items()}
    losses = np.array([float(model.train(*batches[step])) for step in range(len(batches))])
    return quantities | {"loss": losses[:1], "losses": losses}


def without_randomness(p: ViT) -> ViT:
    """The same parameters with every dropout and augmentation off."""
    off = {"attention_dropout": 0.0, "mlp_dropout": 0.0, "head_dropout": 0.0, "augmentation": None}
    return p.model_copy(update=off)
