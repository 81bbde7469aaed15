"""init: the initial weights of a model for a seed, drawn once and loaded by every backend."""

from vitbench import execution, models
from vitbench.config import Config
from vitbench.results import Results, read_json, whole


def run(config: Config, results: Results, model: str, seed: int) -> None:
    execution.set_seed(seed)
    parts = models.build(model, config.models.parameters()[model], read_json(results.manifest))
    with whole(results.init(model, seed)) as path:
        parts.classifier.save_weights(path)


def load(parts: models.Parts, results: Results, model: str, seed: int) -> None:
    """Puts the initial weights for `seed` into the classifier of `parts`."""
    parts.classifier.load_weights(results.init(model, seed))
