"""The Vision Transformer without Keras: what a backend can do when nothing stands between it and the model.

From the same weights, the same computation, as the step parity shows; written as one would for that backend alone. It
is timed beside the Keras model, to see what Keras costs, and takes part in nothing else.
"""

import numpy as np

from vitbench.agreement import Quantities
from vitbench.config.models import ViT
from vitbench.feeding import Batches
from vitbench.native.settings import Settings, Weights


def build(backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings):
    """A Native of `backend`: train, infer, gradients and placed, as either module here has them."""
    if backend == "jax":
        from vitbench.native import jax_vit as module
    else:
        from vitbench.native import torch_vit as module
    return module.Native(p, normalization, weights, settings)


def still(p: ViT) -> ViT:
    """The same with every dropout and augmentation turned off."""
    off = dict.fromkeys(("attention_dropout", "mlp_dropout", "head_dropout"), 0.0)
    return p.model_copy(update={**off, "augmentation": None})


def quantities(
    backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings, batches: Batches
) -> Quantities:
    """What vitbench.sameness.quantities finds of the Keras model, but for the state, which a ViT has none of."""
    model = build(backend, still(p), normalization, weights, settings)
    found = {"logits": model.infer(batches[0][0])}
    found |= {f"gradient/{path}": value for path, value in model.gradients(*batches[0]).items()}
    losses = np.array([float(model.train(*batches[step])) for step in range(len(batches))])
    return found | {"loss": losses[:1], "losses": losses}
