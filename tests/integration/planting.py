"""Runs the gate on every backend, clean and with each fault planted, and gathers what it found."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.backend_processes import BACKENDS, on_every_backend
from integration import variants
from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.system.files import read_json

FAULTS = (
    *("tanh GELU", "epsilon 1e-3", "patches in column order", "positions shifted by one", "one transposed kernel"),
    *("softmax before the loss", "weight decay applied twice", "a dropout left on", "one batch swapped"),
)
QUANTITIES = ("logits", "loss", "slope", "gradient", "losses")


def planted(folder: Path, vit: dict, at_once: int = 2) -> pd.DataFrame:
    """The rows of tables/parity for a ViT of parameters `vit`, on made-up images, and in column fault which (or None).

    Without augmentation, so that both executions are one.
    """
    settings = {"models": {"vit": vit | {"augmentation": None}}, "baseline": None, "seeds": [0], "accelerator": "cpu"}
    settings |= {"executions": {"train": ["published"], "throughput": ["published"]}}
    Config.model_validate(settings)
    config, results = folder / "config.json", Results(folder)
    config.write_text(json.dumps(settings))
    random = np.random.default_rng(5)
    results.manifest.parent.mkdir()
    for split, n in (("train", 400), ("test", 16)):
        np.save(results.images(split), random.integers(0, 256, (n, *variants.MANIFEST["image_shape"]), np.uint8))
        np.save(results.labels(split), random.integers(0, 100, n).astype(np.int32))
    results.manifest.write_text(json.dumps(variants.MANIFEST | {"train_images": 400, "test_images": 16}))
    for phase, backends in (("init", ["jax"]), ("reference", ["jax", "torch"]), ("gate", BACKENDS)):
        on_every_backend(
            "integration.faults_worker", phase, str(config), str(folder), backends=backends, at_once=at_once
        )
    found = [
        row | {"fault": fault}
        for backend in BACKENDS
        for fault in (None, *FAULTS)
        for row in read_json(Results(folder / f"{backend}-{fault}").parity("vit", backend))["quantities"]
    ]
    return pd.DataFrame(found)


def used(rows: pd.DataFrame) -> pd.Series:
    """By quantity, the largest difference ÷ its tolerance."""
    return (rows["max_rel_difference"] / rows["tolerance"]).groupby(rows["quantity"]).max().reindex(QUANTITIES)
