"""A made-up results directory: the files that the steps up to `tables` write, with invented numbers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.fake_tables import DEVICE, SPEEDS, make_tables
from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.results.predictions import save_predictions

__all__ = ["DEVICE", "SPEEDS", "make_config", "make_tables", "write_directory"]

IMAGES = 12  # saved per split


def make_config(seeds: Sequence[int] = (0, 1), title: str = "A made-up experiment", **changes: Any) -> Config:
    """The config of the made-up experiment; `changes` replace whole sections."""
    settings = {
        "experiment": "made-up",
        "dataset": {"source": "digits", "name": "digits"},
        "models": {"vit": {"image_size": 24, "patch_size": 4}, "resnet50v2": {"image_size": 32}},
        "seeds": list(seeds),
        "training": {"epochs": 5, "batch_size": 64},
        "report": {"title": title},
    }
    return Config.model_validate(settings | changes)


def write_directory(root: Path, config: Config, class_name: str = "seven", **options: Any) -> Path:
    """Writes the results directory of `config` below `root` and returns it.

    class_name: that of the first three classes. options: those of `make_tables`.
    """
    results = Results(root / config.experiment)
    tables = make_tables(config, **options)
    results.tables.mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(results.tables / f"{name}.parquet", index=False)
    _write_json(results.root / "config.json", config.model_dump(mode="json"))
    random = np.random.default_rng(1)
    _write_data(results, class_name, random)
    completed = tables["throughput"][tables["throughput"]["status"] == "completed"]
    for keys in completed.groupby(["model", "backend", "execution", "precision"]).groups:
        environment = {"hostname": "made-up", "execution": {"backend": keys[1]}}
        _write_json(results.throughput(*keys, "1"), {"measurements": [], "environment": environment})
    for run in tables["runs"].itertuples():
        folder = results.run(run.model, run.backend, run.execution, run.precision, run.seed)
        _write_json(folder / "environment.json", _environment(run.backend))
        if run.status == "completed":
            save_predictions(folder / "predictions.npz", random.normal(0, 2, (IMAGES, 10)))
        _write_json(results.tune(run.model, run.backend, run.precision), _tuning())
    return results.root


def _write_data(results: Results, class_name: str, random: np.random.Generator) -> None:
    manifest = {
        "source": "digits",
        "name": "digits",
        "train_images": 1437,
        "test_images": 360,
        "image_shape": [8, 8, 3],
        "class_names": [class_name] * 3 + ["eight"] * 7,
        "normalization": {"mean": [80.0] * 3, "variance": [900.0] * 3},
        "sha256": dict.fromkeys(("x_train", "y_train", "x_test", "y_test"), "1" * 64),
    }
    _write_json(results.manifest, manifest)
    images = random.integers(0, 256, (IMAGES, 8, 8, 3), dtype=np.uint8)
    for split in ("train", "test"):
        np.save(results.images(split), images)
        np.save(results.labels(split), np.arange(IMAGES, dtype=np.int32) % 10)


def _environment(backend: str) -> dict:
    return {
        "hostname": "made-up",
        "cpu": {"model": DEVICE, "logical_cores": 2},
        "memory_bytes": 8 << 30,
        "gpus": [],
        "packages": {"keras": "3.15.1", backend: "1.2.3"},
        "variables": {"KERAS_BACKEND": backend},
        "execution": {
            "backend": backend,
            "jit_compile_effective": backend == "jax",
            "layers_without_jit": [],
        },
    }


def _tuning() -> dict:
    """What `tune` writes if one of two plans was measured to the end."""
    measured = {
        "plan": {"jit_compile": False},
        "status": "measured",
        "error": None,
        "startup_seconds": 1.2,
        "step_seconds": 0.021,
        "predicted_seconds": 8.1,
    }
    abandoned = {
        "plan": {"jit_compile": True},
        "status": "abandoned",
        "error": "after 8.1 s, since by then the best so far would have finished",
    }
    return {
        "candidates": [measured, abandoned],
        "plan": measured["plan"],
        "reason": "least predicted time, 8.1 s, of 1 measured",
    }


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
