"""The Vision Transformer without Keras: what a backend can do when nothing stands between it and the model.

From the same weights, the same computation, as the step parity shows; written as one would for that backend alone. It
is timed beside the Keras model, to see what Keras costs, and takes part in nothing else.
"""

import numpy as np

from vitbench.config.models import ViT
from vitbench.data.batches import Batches
from vitbench.models.native.registry import Settings, Weights, build_native
from vitbench.parity.tolerance import Quantities


def without_randomness(p: ViT) -> ViT:
    """The same with every dropout and augmentation turned off."""
    off = dict.fromkeys(("attention_dropout", "mlp_dropout", "head_dropout"), 0.0)
    return p.model_copy(update={**off, "augmentation": None})


def collect_native_quantities(
    backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings, batches: Batches
) -> Quantities:
    """What vitbench.sameness.quantities finds of the Keras model, but for the state, which a ViT has none of."""
    model = build_native(backend, without_randomness(p), normalization, weights, settings)
    found = {"logits": model.infer(batches[0][0])}
    found |= {f"gradient/{path}": value for path, value in model.gradients(*batches[0]).items()}
    losses = np.array([float(model.train(*batches[step])) for step in range(len(batches))])
    return found | {"loss": losses[:1], "losses": losses}
