"""What a report may rely on: all that a results directory holds, read once, and empty where something is missing."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vitbench.config.schema import Config
from vitbench.results.jobs import Job, list_jobs
from vitbench.results.paths import Results
from vitbench.results.predictions import load_predictions
from vitbench.results.schema import COLUMNS, KEY_COLUMNS
from vitbench.system.files import read_json

SHOWN_IMAGES = 8
MEASUREMENT_KEYS = ["model", "backend", "execution", "precision", "phase", "batch_size"]
CONFIGURATION_KEYS = ["model", "backend", "execution", "precision"]
_TEXT = {
    *("experiment", "dataset", "model", "backend", "execution", "precision", "status", "device", "error", "phase"),
    *("jit_compile_effective", "tf32_effective", "keras_version", "backend_version", "python_version", "git_commit"),
    *(
        "config_sha256",
        "warmup_settled",
        "resumed",
        "names",
        "log",
        "last_lines",
        "step",
        "parity_passed",
        "energy_source",
        "started_at",
        "finished_at",
        "true_class",
        "predicted_class",
        "reference_backend",
        "quantity",
        "weight",
        "passed",
        "metric",
        "backend_a",
    ),
    *("backend_b", "test", "verdict"),
}


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
    """The tables of an experiment, and what stands beside them.

    tuning: the content of each tune/<model>/<backend>/<precision>.json with those three as further keys.
    environments: what each job recorded of its machine, its software and what it executed.
    sample: a training image, uint8 (height, width, 3), and the name of its class; None without images.
    samples: the first test images, with what the contestants take them for; none without images.
    blocks: images_per_second of each timed block; of a measurement whose file is not there, the median as the only one.
    """

    config: Config
    runs: pd.DataFrame
    epochs: pd.DataFrame
    throughput: pd.DataFrame
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
    blocks: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: getattr(self, name) for name in COLUMNS}


def load_results(root: str | Path) -> LoadedResults:
    """Reads results/<experiment>. Raises FileNotFoundError only if config.json is not there."""
    results = Results(Path(root))
    manifest = read_json(results.manifest) if results.manifest.exists() else {}
    config = Config.model_validate(read_json(results.root / "config.json"))
    tables = {name: _table(results.tables / f"{name}.parquet", columns) for name, columns in COLUMNS.items()}
    return LoadedResults(
        config=config,
        manifest=manifest,
        tuning=_tuning(config, results),
        environments=_recorded(config, results),
        sample=_sample(results, manifest),
        samples=_samples(results, manifest, tables["runs"]),
        blocks=_blocks(config, results, tables["throughput"]),
        **tables,
    )


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    """The table with at least `columns`; those that hold numbers are numbers even where every value is null."""
    frame = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    frame = frame.reindex(columns=[*columns, *(c for c in frame if c not in columns)])
    for column in columns:
        if column not in _TEXT:
            frame[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
    return frame


def _blocks(config: Config, results: Results, throughput: pd.DataFrame) -> pd.DataFrame:
    found = load_blocks(config, results, list_jobs(config)[1])
    kept = pd.MultiIndex.from_frame(found[MEASUREMENT_KEYS])
    done = throughput[throughput["images_per_second"].notna()]
    others = done[~pd.MultiIndex.from_frame(done[MEASUREMENT_KEYS]).isin(kept)]
    return pd.concat([found, others[found.columns]], ignore_index=True) if len(others) else found


def _tuning(config: Config, results: Results) -> list[dict]:
    plans = [(*contestant, precision) for contestant in config.model_backends() for precision in config.precisions]
    keys = [dict(zip(("model", "backend", "precision"), plan, strict=True)) for plan in plans]
    return [{**read_json(path), **k} for k in keys if (path := results.tune(**k)).exists()]


def _recorded(config: Config, results: Results) -> list[RecordedEnvironment]:
    """Of the jobs that the config asks for; those of an earlier one may lie beside them."""
    found = []
    for job in itertools.chain(*list_jobs(config)):
        path = job.result(results)
        if job.seed is not None:
            path = path.with_name("environment.json")
        if path.exists():
            values = read_json(path)
            values = values.get("environment", {}) if job.seed is None else values
            # when and how its processes came and went is told by the tables
            values["execution"] = {k: v for k, v in values.get("execution", {}).items() if k != "sessions"}
            found.append(RecordedEnvironment(job.model, job.backend, job.execution, job.precision, values))
    return found


def _sample(results: Results, manifest: dict) -> tuple[np.ndarray, str] | None:
    """The first training image."""
    found = _images(results, manifest, "train", 1)
    return found[0] if found else None


def _samples(results: Results, manifest: dict, runs: pd.DataFrame) -> list[PredictedImage]:
    """The first test images, with what the first completed run of each contestant predicts."""
    images = _images(results, manifest, "test", SHOWN_IMAGES)
    predicted: list[dict] = [{} for _ in images]
    names = dict(enumerate(manifest.get("class_names", [])))
    completed = runs[runs["status"] == "completed"].drop_duplicates(CONFIGURATION_KEYS)
    for keys, seed in zip(
        completed[CONFIGURATION_KEYS].itertuples(index=False, name=None), completed["seed"], strict=True
    ):
        classes, probabilities = load_predictions(results.predictions(*keys, int(seed))) or ((), ())
        for by_contestant, likeliest, probability in zip(predicted, classes, probabilities, strict=False):
            by_contestant[keys] = (names.get(int(likeliest[0]), str(likeliest[0])), float(probability[0]))
    return [PredictedImage(*image, by_contestant) for image, by_contestant in zip(images, predicted, strict=True)]


def _images(results: Results, manifest: dict, split: str, n: int) -> list[tuple[np.ndarray, str]]:
    """The first `n` of `split`, each with the name of its class; none if they are not there."""
    if not results.images(split).exists() or not results.labels(split).exists():
        return []
    images, labels = (np.load(path, mmap_mode="r")[:n] for path in (results.images(split), results.labels(split)))
    names = dict(enumerate(manifest.get("class_names", [])))
    return [(np.array(image), names.get(int(label), str(label))) for image, label in zip(images, labels, strict=True)]


def load_blocks(config: Config, results: Results, timings: list[Job]) -> pd.DataFrame:
    """A row per timed block of the completed measurements: whose it is, phase, batch_size and images_per_second."""
    rows = []
    for job in timings:
        path = job.result(results)
        for measured in read_json(path).get("measurements", []) if path.exists() else []:
            keys = job.keys(config) | {key: measured[key] for key in ("phase", "batch_size")}
            rows += [keys | {"images_per_second": b["images"] / b["seconds"]} for b in measured.get("blocks", [])]
    return pd.DataFrame(rows, columns=[*KEY_COLUMNS, "phase", "batch_size", "images_per_second"])


def flatten(value: object, name: str = "") -> list[tuple[str, object]]:
    """Dotted names of what nested dicts and lists hold; an empty one is a value, too."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for key, inner in items for pair in flatten(inner, f"{name}.{key}" if name else str(key))]
    return [(name, "none" if value in ([], {}) else value)]
