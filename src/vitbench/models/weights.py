"""TODO."""

from vitbench.models.registry import ModelParts
from vitbench.results.paths import Results


def load_initial_weights(parts: ModelParts, results: Results, model: str, seed: int) -> None:
    """Puts the initial weights for `seed` into the classifier of `parts`."""
    parts.classifier.load_weights(results.init(model, seed))
