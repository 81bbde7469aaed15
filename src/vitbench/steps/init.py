"""init: draws the initial weights of a model for a seed, which every backend loads."""

from vitbench.backends.process import current_backend
from vitbench.config.schema import Config
from vitbench.models.registry import build_model
from vitbench.results.paths import Results
from vitbench.system.files import atomic_write, read_json


def run(config: Config, results: Results, model: str, seed: int) -> None:
    """Draws and saves the weights. Raises BuilderError if a custom model cannot be built."""
    current_backend().set_seed(seed)
    parts = build_model(model, config.models.parameters()[model], read_json(results.manifest))
    with atomic_write(results.init(model, seed)) as path:
        parts.classifier.save_weights(path)
