"""What a job computes with: the parts of its model, with initial weights, and the images of each split."""

from dataclasses import dataclass

import numpy as np

from vitbench.config.schema import Config
from vitbench.data.splits import load_splits
from vitbench.models.registry import ModelParts, build_model
from vitbench.results.paths import Results
from vitbench.system.files import read_json

Split = tuple[np.ndarray, np.ndarray]  # images uint8 (n, H, W, 3), memory-mapped, and labels int32 (n,)


@dataclass(frozen=True)
class Workload:
    """A model and its data.

    normalization: `mean` and `variance` of each channel of the training images, on the scale 0–255.
    """

    parts: ModelParts
    train: Split
    validation: Split
    test: Split
    normalization: dict[str, list[float]]


def load_workload(config: Config, results: Results, model: str, seed: int | None) -> Workload:
    """Builds `model`, loads its initial weights for `seed`, and opens the images.

    seed: None keeps the weights that the model was built with, for jobs that run before the step init. Raises
    BuilderError if a custom model cannot be built, and UserError if the images do not match the manifest.
    """
    manifest = read_json(results.manifest)
    parts = build_model(model, config.models.parameters()[model], manifest)
    if seed is not None:
        load_initial_weights(parts, results, model, seed)
    splits = load_splits(results, config.dataset.validation_fraction)
    return Workload(parts, **splits, normalization=manifest["normalization"])


def load_initial_weights(parts: ModelParts, results: Results, model: str, seed: int) -> None:
    """Loads the initial weights of `model` for `seed`, which the step init drew, into the classifier of `parts`."""
    parts.classifier.load_weights(results.init(model, seed))
