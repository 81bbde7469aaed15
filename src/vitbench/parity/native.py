"""The quantities of a native model, which parity compares with the same reference as those of the Keras model."""

import numpy as np

from vitbench.config.models import ViT
from vitbench.config.schema import Config
from vitbench.data.batches import Batches
from vitbench.execution.workload import Workload
from vitbench.models.native.registry import Settings, Weights, build_native
from vitbench.parity.quantities import OPTIMIZER
from vitbench.parity.reference import directional_slope
from vitbench.parity.tolerance import Quantities


def compute_native_quantities(
    config: Config, model: str, backend: str, weights: Weights, workload: Workload, batches: Batches
) -> Quantities:
    """The quantities of the native `model` that starts from `weights`, with the slope."""
    learning_rate, weight_decay = OPTIMIZER["learning_rate"], OPTIMIZER["weight_decay"]
    settings = Settings(learning_rate, weight_decay, compiled=config.throughput.native_compiled)
    parameters = config.models.parameters()[model]
    assert isinstance(parameters, ViT), "the config offers native for a Vision Transformer only"
    quantities = collect_native_quantities(backend, parameters, workload.normalization, weights, settings, batches)
    return quantities | {"slope": directional_slope(quantities)}


def collect_native_quantities(
    backend: str, p: ViT, normalization: dict, weights: Weights, settings: Settings, batches: Batches
) -> Quantities:
    """The quantities of `vitbench.parity.quantities.collect_quantities`, without dropout and augmentation.

    There is no state/ among them, because a Vision Transformer has no state besides its weights.
    """
    model = build_native(backend, without_randomness(p), normalization, weights, settings)
    quantities = {"logits": model.infer(batches[0][0])}
    quantities |= {f"gradient/{path}": value for path, value in model.gradients(*batches[0]).items()}
    losses = np.array([float(model.train(*batches[step])) for step in range(len(batches))])
    return quantities | {"loss": losses[:1], "losses": losses}


def without_randomness(p: ViT) -> ViT:
    """The same parameters with every dropout rate at zero and no augmentation."""
    changes = {"attention_dropout": 0.0, "mlp_dropout": 0.0, "head_dropout": 0.0, "augmentation": None}
    return p.model_copy(update=changes)
