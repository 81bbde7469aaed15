"""Loads everything that a report may use from a results directory; what is missing is empty."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vitbench.config.schema import Config
from vitbench.data.splits import validation_start
from vitbench.results.jobs import list_measurements, list_runs
from vitbench.results.paths import Results
from vitbench.results.predictions import find_hits, load_predictions
from vitbench.results.schema import COLUMNS, CONFIGURATION_KEYS
from vitbench.results.tables import load_table
from vitbench.system.files import read_json

SHOWN_IMAGES = 8
MOMENTARY = ("clock_mhz", "memory_clock_mhz", "celsius", "clock_reasons", "other_processes")  # of a GPU

# Model, backend, execution mode, precision and seed of a run → metric → whether each image is correct, bool (images,).
Hits = Mapping[tuple[str, str, str, str, int], dict[str, np.ndarray]]


@dataclass(frozen=True)
class RecordedEnvironment:
    """The environment of a run or of a throughput measurement, as nested dicts and lists."""

    model: str
    backend: str
    execution: str
    precision: str
    values: dict


@dataclass(frozen=True)
class PredictedImage:
    """A test image, uint8 (height, width, 3), the name of its class, and what was predicted for it.

    predicted: model, backend, execution and precision → the name of the likeliest class and its probability (0–1).
    """

    image: np.ndarray
    class_name: str
    predicted: dict[tuple[str, str, str, str], tuple[str, float]]


@dataclass(frozen=True)
class LoadedResults:
    """The tables of an experiment and the other results that a report shows.

    root: results/<experiment>.
    tuning: the content of each tune/<model>/<backend>/<precision>.json with those three as further keys.
    environments: what each job recorded of its machine, its software and its execution.
    sample: a training image, uint8 (height, width, 3), and the name of its class; None without images.
    samples: the first test images with the predictions of each configuration; empty without images.
    """

    root: Path
    config: Config
    runs: pd.DataFrame
    epochs: pd.DataFrame
    throughput: pd.DataFrame
    rounds: pd.DataFrame
    controls: pd.DataFrame
    parity: pd.DataFrame
    comparisons: pd.DataFrame
    failures: pd.DataFrame
    jobs: pd.DataFrame
    summaries: pd.DataFrame
    confusions: pd.DataFrame
    manifest: dict
    tuning: list[dict]
    environments: list[RecordedEnvironment]
    sample: tuple[np.ndarray, str] | None
    samples: list[PredictedImage]

    @property
    def train_images(self) -> int | None:
        """The images per epoch, without those for validation; None if no manifest was written."""
        images = self.manifest.get("train_images")
        return images and validation_start(images, self.config.dataset.validation_fraction)

    @property
    def warm_caches(self) -> list[str]:
        """The variables of any job that named a compilation cache of the user's."""
        return sorted({name for job in self.environments for name in job.values.get("warm_caches", [])})

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: getattr(self, name) for name in COLUMNS}


def load_experiment_config(results: Results) -> Config:
    """The config that the step tables has written. Raises FileNotFoundError if that step has not run."""
    return Config.model_validate(read_json(results.root / "config.json"))


def load_results(root: str | Path) -> LoadedResults:
    """Loads results/<experiment>. Raises FileNotFoundError only if config.json does not exist."""
    results = Results(Path(root))
    manifest = read_json(results.manifest) if results.manifest.exists() else {}
    config = load_experiment_config(results)
    tables = {name: load_table(results, name) for name in COLUMNS}
    return LoadedResults(
        root=results.root,
        config=config,
        manifest=manifest,
        tuning=_load_tuning(config, results),
        environments=_load_environments(config, results),
        sample=next(iter(_load_images(results, manifest, "train", 1)), None),
        samples=_load_samples(results, manifest, tables["runs"]),
        **tables,
    )


def load_hits(root: str | Path, runs: pd.DataFrame) -> Hits:
    """Whether each completed run classified each test image correctly.

    Runs whose predictions are missing or do not have the run's accuracy are left out. root: results/<experiment>. runs:
    its table.
    """
    results, hits = Results(Path(root)), {}
    if not results.labels("test").exists():
        return {}
    labels = np.load(results.labels("test"))
    tolerance = 1.5 / max(1, len(labels))  # ties may be resolved differently
    for row in runs[runs["status"] == "completed"].itertuples():
        run = (row.model, row.backend, row.execution, row.precision, int(row.seed))
        predictions = load_predictions(results.predictions(*run))
        if predictions is None or len(predictions[0]) != len(labels):
            continue
        by_metric = find_hits(predictions[0], labels)
        if all(abs(values.mean() - getattr(row, metric)) <= tolerance for metric, values in by_metric.items()):
            hits[run] = by_metric
    return hits


def flatten(value: object, name: str = "") -> list[tuple[str, object]]:
    """The values in nested dicts and lists with their dotted names; an empty dict or list is the value "none"."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for key, inner in items for pair in flatten(inner, f"{name}.{key}" if name else str(key))]
    return [(name, "none" if value in ([], {}) else value)]


def _load_tuning(config: Config, results: Results) -> list[dict]:
    tuning = []
    for (model, backend), precision in itertools.product(config.model_backends(), config.precisions):
        path = results.tune(model, backend, precision)
        if path.exists():
            tuning.append(read_json(path) | {"model": model, "backend": backend, "precision": precision})
    return tuning


def _load_environments(config: Config, results: Results) -> list[RecordedEnvironment]:
    """Of the jobs that the config asks for; results of an earlier config may be beside them."""
    environments = []
    for job in [*list_runs(config), *list_measurements(config)]:
        path = job.result_path(results)
        if job.seed is not None:
            path = path.with_name("environment.json")
        if path.exists():
            values = read_json(path)
            values = values.get("environment", {}) if job.seed is None else values
            # The tables say when the processes of a run started and ended, and what a GPU did in each round.
            values["execution"] = {k: v for k, v in values.get("execution", {}).items() if k != "sessions"}
            for gpu in values.get("gpus", []):
                for name in MOMENTARY:
                    gpu.pop(name, None)
            environments.append(RecordedEnvironment(job.model, job.backend, job.execution, job.precision, values))
    return environments


def _load_samples(results: Results, manifest: dict, runs: pd.DataFrame) -> list[PredictedImage]:
    """The first test images with the predictions of the first completed run of each configuration."""
    images = _load_images(results, manifest, "test", SHOWN_IMAGES)
    predicted: list[dict] = [{} for _ in images]
    names = dict(enumerate(manifest.get("class_names", [])))
    completed = runs[runs["status"] == "completed"].drop_duplicates(CONFIGURATION_KEYS)
    rows = completed[[*CONFIGURATION_KEYS, "seed"]].itertuples(index=False, name=None)
    for model, backend, execution, precision, seed in rows:
        configuration = (model, backend, execution, precision)
        classes, probabilities = load_predictions(results.predictions(*configuration, int(seed))) or ((), ())
        for by_configuration, top, probability in zip(predicted, classes, probabilities, strict=False):
            by_configuration[configuration] = (names.get(int(top[0]), str(top[0])), float(probability[0]))
    return [PredictedImage(*image, predictions) for image, predictions in zip(images, predicted, strict=True)]


def _load_images(results: Results, manifest: dict, split: str, n: int) -> list[tuple[np.ndarray, str]]:
    """The first `n` images of `split`, each with the name of its class; empty if the files are missing."""
    if not results.images(split).exists() or not results.labels(split).exists():
        return []
    images, labels = (np.load(path, mmap_mode="r")[:n] for path in (results.images(split), results.labels(split)))
    names = dict(enumerate(manifest.get("class_names", [])))
    return [(np.array(image), names.get(int(label), str(label))) for image, label in zip(images, labels, strict=True)]
