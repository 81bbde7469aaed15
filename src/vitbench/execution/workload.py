"""Everything that a job executes: the parts of its model with initial weights, and the images by split."""

from dataclasses import dataclass

import numpy as np

from vitbench.config.schema import Config
from vitbench.data.splits import load_splits
from vitbench.models.registry import ModelParts, build_model
from vitbench.models.weights import load_initial_weights
from vitbench.results.paths import Results
from vitbench.system.files import read_json

Split = tuple[np.ndarray, np.ndarray]  # images uint8 (n, H, W, 3), labels int32 (n,)


@dataclass(frozen=True)
class Workload:
    """A model and its data. normalization: mean and variance of each channel, of the training images."""

    parts: ModelParts
    train: Split
    validation: Split
    test: Split
    normalization: dict[str, list[float]]


def load_workload(config: Config, results: Results, model: str, seed: int | None) -> Workload:
    """Builds `model`, loads the initial weights of `seed` (None: leaves those that it was built with) and the images.

    Raises BuilderError if a custom model cannot be built, and UserError if the images are not those of the manifest.
    """
    manifest = read_json(results.manifest)
    parts = build_model(model, config.models.parameters()[model], manifest)
    if seed is not None:
        load_initial_weights(parts, results, model, seed)
    splits = load_splits(results, config.dataset.validation_fraction)
    return Workload(parts, splits["train"], splits["validation"], splits["test"], manifest["normalization"])
