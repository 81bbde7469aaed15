"""Runs the step parity on every backend, without a fault and with each one planted; for benchmarks/gate.py, too."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.backend_processes import BackendProcesses
from integration.model_variants import MANIFEST
from vitbench.config.schema import Config
from vitbench.results.paths import Results

FAULTS = [
    "tanh GELU",
    "epsilon 1e-3",
    "patches in column order",
    "positions shifted by one",
    "one transposed kernel",
    "softmax before the loss",
    "weight decay applied twice",
    "a dropout left on",
    "one batch swapped",
]
QUANTITIES = ["logits", "loss", "slope", "gradient", "losses"]
TRAIN_IMAGES, TEST_IMAGES = 400, 16
WORKER = "integration.workers.parity_gate"


def run_gate_trials(processes: BackendProcesses, folder: Path, vit: dict, at_once: int = 2) -> pd.DataFrame:
    """The rows of tables/parity, with the planted fault (or None) in the column `fault`.

    vit: the parameters of the ViT. It has no augmentation, so that both execution modes are the same.
    """
    config = Config.model_validate(
        {
            "models": {"vit": vit | {"augmentation": None}},
            "baseline": None,
            "seeds": [0],
            "accelerator": "cpu",
            "executions": {"train": ["published"], "throughput": ["published"]},
        }
    )
    _write_images(Results(folder))
    processes.call("jax", f"{WORKER}:draw_initial_weights", config, folder)
    processes.call_each(f"{WORKER}:compute_reference", config, folder, backends=["jax", "torch"], at_once=at_once)
    rows = processes.call_each(f"{WORKER}:run_gate", config, folder, FAULTS, at_once=at_once)
    return pd.DataFrame([row for rows_of_backend in rows.values() for row in rows_of_backend])


def largest_ratios(rows: pd.DataFrame) -> pd.Series:
    """The largest difference ÷ its tolerance, by quantity."""
    ratios = rows["max_rel_difference"] / rows["tolerance"]
    return ratios.groupby(rows["quantity"]).max().reindex(QUANTITIES)


def _write_images(results: Results) -> None:
    random = np.random.default_rng(5)
    results.manifest.parent.mkdir()
    for split, n in (("train", TRAIN_IMAGES), ("test", TEST_IMAGES)):
        np.save(results.images(split), random.integers(0, 256, (n, *MANIFEST["image_shape"]), np.uint8))
        np.save(results.labels(split), random.integers(0, 100, n).astype(np.int32))
    manifest = MANIFEST | {"train_images": TRAIN_IMAGES, "test_images": TEST_IMAGES}
    results.manifest.write_text(json.dumps(manifest))
