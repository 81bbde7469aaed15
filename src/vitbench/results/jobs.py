"""The timed jobs of an experiment, and the names and paths that belong to each."""

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path

from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class Job:
    """One timed job: a run, or (seed None) a throughput measurement."""

    model: str
    backend: str
    execution: str
    precision: str
    seed: int | None = None

    def __str__(self) -> str:
        words = [self.model, self.backend, self.execution]
        words += [self.precision] if self.precision != "float32" else []
        return " · ".join([*words, f"seed {self.seed}"] if self.seed is not None else words)

    @property
    def step(self) -> str:
        return "throughput" if self.seed is None else "train"

    @property
    def log_names(self) -> tuple[str, ...]:
        """The parts of its log's name."""
        *names, seed = dataclasses.astuple(self)
        return tuple(names) if seed is None else (*names, f"seed{seed}")

    def result_path(self, results: Results) -> Path:
        """The file that exists once the job has ended."""
        configuration = (self.model, self.backend, self.execution, self.precision)
        if self.seed is None:
            return results.throughput(*configuration)
        return results.run(*configuration, self.seed) / "metrics.json"

    def key_columns(self, config: Config) -> dict:
        """The columns that identify its rows."""
        return {
            "schema_version": SCHEMA_VERSION,
            "experiment": config.experiment,
            "dataset": config.dataset.name,
            **{key: value for key, value in dataclasses.asdict(self).items() if value is not None},
        }


def list_jobs(config: Config) -> tuple[list[Job], list[Job]]:
    """The runs and the throughput measurements that the config asks for."""
    runs, measurements = [], []
    for (model, backend), precision in itertools.product(config.model_backends(), config.precisions):
        for execution, seed in itertools.product(config.model_executions(model).train, config.model_seeds(model)):
            runs.append(Job(model, backend, execution, precision, seed))
        for execution in config.timed_executions(model, backend):
            measurements.append(Job(model, backend, execution, precision))
    return runs, measurements
