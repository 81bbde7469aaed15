"""What a report may rely on: all that a results directory holds, read once, and empty where something is missing."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vitbench.config import Config
from vitbench.records import COLUMNS, jobs
from vitbench.results import Results, read_json

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
class Recorded:
    """The environment of a run or of a throughput measurement, as nested dicts and lists."""

    model: str
    backend: str
    execution: str
    precision: str
    values: dict


@dataclass(frozen=True)
class Evidence:
    """The tables of an experiment, and what stands beside them.

    tuning: the content of each tune/<model>/<backend>/<precision>.json with those three as further keys.
    environments: what each job recorded of its machine, its software and what it executed.
    sample: a training image, uint8 (height, width, 3), and the name of its class; None without images.
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
    manifest: dict
    tuning: list[dict]
    environments: list[Recorded]
    sample: tuple[np.ndarray, str] | None

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: getattr(self, name) for name in COLUMNS}


def load(root: str | Path) -> Evidence:
    """Reads results/<experiment>. Raises FileNotFoundError only if config.json is not there."""
    results = Results(Path(root))
    manifest = read_json(results.manifest) if results.manifest.exists() else {}
    config = Config.model_validate(read_json(results.root / "config.json"))
    return Evidence(
        config=config,
        manifest=manifest,
        tuning=_tuning(config, results),
        environments=_recorded(config, results),
        sample=_sample(results, manifest),
        **{name: _table(results.tables / f"{name}.parquet", columns) for name, columns in COLUMNS.items()},
    )


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    """The table with at least `columns`; those that hold numbers are numbers even where every value is null."""
    frame = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    frame = frame.reindex(columns=[*columns, *(c for c in frame if c not in columns)])
    for column in columns:
        if column not in _TEXT:
            frame[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
    return frame


def _tuning(config: Config, results: Results) -> list[dict]:
    plans = [(*contestant, precision) for contestant in config.contestants() for precision in config.precisions]
    keys = [dict(zip(("model", "backend", "precision"), plan, strict=True)) for plan in plans]
    return [{**read_json(path), **k} for k in keys if (path := results.tune(**k)).exists()]


def _recorded(config: Config, results: Results) -> list[Recorded]:
    """Of the jobs that the config asks for; those of an earlier one may lie beside them."""
    found = []
    for job in itertools.chain(*jobs(config)):
        path = job.result(results)
        if job.seed is not None:
            path = path.with_name("environment.json")
        if path.exists():
            values = read_json(path)
            values = values.get("environment", {}) if job.seed is None else values
            found.append(Recorded(job.model, job.backend, job.execution, job.precision, values))
    return found


def _sample(results: Results, manifest: dict) -> tuple[np.ndarray, str] | None:
    """The first training image."""
    if not results.images("train").exists() or not results.labels("train").exists():
        return None
    image = np.array(np.load(results.images("train"), mmap_mode="r")[0])
    label = int(np.load(results.labels("train"), mmap_mode="r")[0])
    return image, dict(enumerate(manifest.get("class_names", []))).get(label, str(label))
