"""The timed jobs of an experiment, and the names and paths that belong to each."""

import itertools
import random
from dataclasses import dataclass
from pathlib import Path

from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION

CONTROL = "-control"  # the end of the name of a round's second measurement of one configuration
ORDER_SEED = 0


@dataclass(frozen=True)
class Job:
    """One timed job: a run, which has a seed, or one round of a throughput measurement.

    round: its number, from 1, as text; "2-control" is the second measurement of the same configuration in round 2.
    """

    model: str
    backend: str
    execution: str
    precision: str
    seed: int | None = None
    round: str | None = None

    def __str__(self) -> str:
        words = [self.model, self.backend, self.execution]
        words += [self.precision] if self.precision != "float32" else []
        words += [f"seed {self.seed}"] if self.seed is not None else []
        words += [f"round {self.round.replace(CONTROL, ' (control)')}"] if self.round is not None else []
        return " · ".join(words)

    @property
    def step(self) -> str:
        return "throughput" if self.seed is None else "train"

    @property
    def configuration(self) -> tuple[str, str, str, str]:
        return self.model, self.backend, self.execution, self.precision

    @property
    def run_key(self) -> tuple[str, str, str, str, int]:
        """The configuration and the seed of a run."""
        assert self.seed is not None
        return (*self.configuration, self.seed)

    @property
    def round_number(self) -> int:
        """The number of the round, from 1."""
        assert self.round is not None
        return int(self.round.removesuffix(CONTROL))

    @property
    def is_control(self) -> bool:
        """Whether this is the second measurement of a configuration in its round."""
        return self.round is not None and self.round.endswith(CONTROL)

    @property
    def log_names(self) -> tuple[str, ...]:
        """The parts of its log's name."""
        return (*self.configuration, f"round{self.round}" if self.seed is None else f"seed{self.seed}")

    def result_path(self, results: Results) -> Path:
        """The file that exists once the job has ended."""
        if self.seed is None:
            assert self.round is not None
            return results.throughput(*self.configuration, self.round)
        return results.run(*self.run_key) / "metrics.json"

    def key_columns(self, config: Config) -> dict:
        """The columns that identify its rows."""
        keys = {
            "schema_version": SCHEMA_VERSION,
            "experiment": config.experiment,
            "dataset": config.dataset.name,
            "model": self.model,
            "backend": self.backend,
            "execution": self.execution,
            "precision": self.precision,
        }
        if self.seed is not None:
            return keys | {"seed": self.seed}
        return keys | {"round": self.round_number, "control": self.is_control}


def list_runs(config: Config) -> list[Job]:
    """The runs that the config asks for."""
    runs = []
    for (model, backend), precision in itertools.product(config.model_backends(), config.precisions):
        for execution, seed in itertools.product(config.model_executions(model).train, config.model_seeds(model)):
            runs.append(Job(model, backend, execution, precision, seed))
    return runs


def sort_measurements(config: Config, measurements: list[Job]) -> list[Job]:
    """The measurements in the order of the tables: by configuration, then by round."""
    places = {configuration: place for place, configuration in enumerate(_list_timed_configurations(config))}
    return sorted(measurements, key=lambda job: (places[job.configuration], job.round_number, job.is_control))


def list_measurements(config: Config) -> list[Job]:
    """The rounds of all throughput measurements in the order in which they are measured.

    Every configuration is measured in a round before the next round begins. Each round has a new
    random order, so that no configuration always follows the same other one.
    """
    configurations = _list_timed_configurations(config)
    measurements: list[Job] = []
    for number in range(1, max((config.rounds(c[2]) for c in configurations), default=0) + 1):
        jobs = [Job(*c, round=str(number)) for c in configurations if number <= config.rounds(c[2])]
        control = find_control(config)
        if control and number <= config.rounds(control[2]):
            jobs.append(Job(*control, round=f"{number}{CONTROL}"))
        random.Random(ORDER_SEED + number).shuffle(jobs)
        measurements += jobs
    return measurements


def find_control(config: Config) -> tuple[str, str, str, str] | None:
    """The configuration that is measured twice per round; None if that is off.

    It is the one of the first model on the reference backend, tuned if that is measured.
    """
    if not config.throughput.control:
        return None
    configurations = _list_timed_configurations(config)
    model = configurations[0][0]
    reference = config.reference_backend(model)
    candidates = [c for c in configurations if c[:2] == (model, reference)] or configurations
    return next((c for c in candidates if c[2] == "tuned"), candidates[0])


def _list_timed_configurations(config: Config) -> list[tuple[str, str, str, str]]:
    return [
        (model, backend, execution, precision)
        for (model, backend), precision in itertools.product(config.model_backends(), config.precisions)
        for execution in config.timed_executions(model, backend)
    ]
