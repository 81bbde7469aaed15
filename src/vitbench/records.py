"""What a job leaves behind, whether it completed or not: the rows that become the tables."""

import dataclasses
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

from vitbench import environment
from vitbench.config import SCHEMA_VERSION, Config
from vitbench.results import Results, read_json, whole, write_json
from vitbench.times import process_times

KEYS = ["schema_version", "experiment", "dataset", "model", "backend", "execution", "precision"]
RUN_COLUMNS = [
    *KEYS,
    *("seed", "status", "parameters", "epochs", "best_epoch", "best_val_accuracy"),
    *("test_loss", "test_accuracy", "test_top5_accuracy"),
    *("train_images_per_second", "epoch_seconds_median", "first_step_seconds", "import_seconds", "total_seconds"),
    *("peak_host_memory_bytes", "peak_device_memory_bytes", "device", "jit_compile_effective", "tf32_effective"),
    *("keras_version", "backend_version", "python_version", "git_commit", "config_sha256"),
    *("started_at", "finished_at", "resumptions", "error"),
]
EPOCH_VALUES = [
    *("epoch", "loss", "accuracy", "top5_accuracy", "val_loss", "val_accuracy", "val_top5_accuracy"),
    *("train_seconds", "validation_seconds", "learning_rate", "resumed"),
]
THROUGHPUT_VALUES = [
    *("phase", "batch_size", "warmup_steps", "timed_steps", "images_per_second"),
    *("images_per_second_ci_low", "images_per_second_ci_high"),
    *("step_seconds_p50", "step_seconds_p95", "flops_per_image", "achieved_flops_per_second"),
    *("device_peak_flops_per_second", "mfu"),
    *("input_seconds_share", "host_seconds_share", "compute_seconds_share", "images_per_second_reading_loss"),
    *("import_seconds", "build_seconds", "first_step_seconds", "recompile_seconds", "warmup_settled"),
    *("peak_host_memory_bytes", "peak_device_memory_bytes", "energy_joules_per_image", "energy_source"),
]
COLUMNS = {  # of each table
    "runs": RUN_COLUMNS,
    "epochs": [*KEYS, "seed", *EPOCH_VALUES, "parity_passed"],
    "throughput": [*KEYS, "status", *THROUGHPUT_VALUES, "device", "config_sha256", "error"],
    "parity": [
        *("model", "backend", "execution", "precision", "reference_backend", "quantity", "weight"),
        *("max_abs_difference", "max_rel_difference", "cosine", "tolerance", "passed"),
    ],
    "comparisons": [
        *("experiment", "model", "execution", "precision", "metric", "batch_size", "backend_a", "backend_b", "n"),
        *("mean_a", "mean_b", "difference", "sd_difference", "ci_low", "ci_high", "test", "p_value"),
        *("p_value_adjusted", "p_equivalence", "p_equivalence_adjusted", "ratio", "ratio_ci_low", "ratio_ci_high"),
        "verdict",
    ],
    "failures": ["step", "names", "status", "error", "jobs", "log", "last_lines"],
    "jobs": [
        *("step", "model", "backend", "execution", "precision", "seed"),
        *("started_at", "finished_at", "total_seconds"),
    ],
    "summaries": [
        *("experiment", "model", "backend", "execution", "precision", "metric"),
        *("n", "mean", "sd", "ci_low", "ci_high", "parity_passed"),
    ],
    "confusions": [
        *("experiment", "model", "backend", "execution", "precision"),
        *("true_class", "predicted_class", "images", "share"),
    ],
}


class Gated(Exception):
    """The parity gate forbids this job; the message says which quantity failed."""


@dataclass(frozen=True)
class Job:
    """Names one timed job: a run, or (seed None) a throughput measurement."""

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
    def names(self) -> tuple[str, ...]:
        """What its log is called after."""
        *names, seed = dataclasses.astuple(self)
        return tuple(names) if seed is None else (*names, f"seed{seed}")

    def result(self, results: Results) -> Path:
        """The file without which it has not come to its end."""
        *where, seed = dataclasses.astuple(self)
        return results.throughput(*where) if seed is None else results.run(*where, seed) / "metrics.json"

    def keys(self, config: Config) -> dict:
        return {
            "schema_version": SCHEMA_VERSION,
            "experiment": config.experiment,
            "dataset": config.dataset.name,
            **{k: v for k, v in dataclasses.asdict(self).items() if v is not None},
        }


def jobs(config: Config) -> tuple[list[Job], list[Job]]:
    """The runs, and the throughput measurements, that the config asks for."""
    runs, timings = [], []
    for (model, backend), precision in itertools.product(config.contestants(), config.precisions):
        for execution, seed in itertools.product(config.executions_of(model).train, config.seeds_of(model)):
            runs.append(Job(model, backend, execution, precision, seed))
        timings += [Job(model, backend, execution, precision) for execution in config.executions_timed(model, backend)]
    return runs, timings


def run_record(config: Config, job: Job, status: str, values: dict, history: list[dict]) -> dict:
    """What `write_run` writes: `row`, of tables/runs, from its columns in `values`; `history`; and `environment`."""
    audit = values.pop("audit", {})
    found = environment.collect(audit.get("device"))
    common = {
        **job.keys(config),
        "status": status,
        "epochs": len(history),
        "device": found["device"],
        "python_version": found["python_version"],
        "git_commit": found["git"]["commit"],
        "config_sha256": config.digest(),
        **process_times(),
    }
    row = dict.fromkeys(RUN_COLUMNS) | common | finite(values)
    return {"row": row, "history": [finite(epoch) for epoch in history], "environment": {**found, "execution": audit}}


def write_run(results: Results, job: Job, row: dict, history: list[dict], environment: dict) -> None:
    """Writes history.csv, environment.json and, last, metrics.json of a run."""
    directory = results.run(*dataclasses.astuple(job))
    with whole(directory / "history.csv") as path:
        lines = [",".join("" if epoch[c] is None else str(epoch[c]) for c in EPOCH_VALUES) for epoch in history]
        path.write_text("\n".join([",".join(EPOCH_VALUES), *lines]) + "\n")
    write_json(directory / "environment.json", environment)
    write_json(directory / "metrics.json", row)


def write_throughput(config: Config, results: Results, job: Job, status: str, values: dict) -> None:
    """Writes a throughput measurement.

    values: `measurements`, one dict per phase and batch size, and the `environment` of the process that measured, if it
    is another than this one.
    """
    found = environment.collect()
    content = {
        **job.keys(config),
        "status": status,
        "error": None,
        "measurements": [],
        "config_sha256": config.digest(),
        **process_times(),
        "environment": found,
        **values,
    }
    content["device"] = content["environment"]["device"]
    write_json(job.result(results), content)


def write_unfinished(config: Config, results: Results, job: Job, error: BaseException) -> str:
    """Leaves a row for a job that did not complete and returns its status."""
    status = "gated" if isinstance(error, Gated) else "failed"
    message = str(error) if isinstance(error, Gated) else f"{type(error).__name__}: {error}"
    if job.seed is None:
        write_throughput(config, results, job, status, {"error": message})
    else:
        write_run(results, job, **run_record(config, job, status, {"error": message}, []))
    return status


def write_unproven(results: Results, model: str, backend: str, error: BaseException) -> None:
    """Leaves the verdict on a backend that could not compute what is compared: it failed."""
    import numpy as np

    with whole(results.parity_quantities(model, backend)) as path, path.open("wb") as file:
        np.savez(file)
    verdict = {"schema_version": SCHEMA_VERSION, "passed": False, "error": f"{type(error).__name__}: {error}"}
    write_json(results.parity(model, backend), verdict | {"quantities": [], **process_times()})


def gate(config: Config, results: Results, job: Job) -> str | None:
    """None if this model and backend passed parity; what failed, if the config says to go on in spite of it.

    What is native passes for itself alone. Raises Gated, which says what failed, if the config does not.
    """
    from vitbench import agreement

    verdict = read_json(results.parity(job.model, job.backend))
    native = job.execution == "native"
    failed = [r for r in verdict["quantities"] if not r["passed"] and (r["execution"] == "native") == native]
    if error := verdict.get("error") or (native and verdict.get("native_error")):
        message = f"parity could not be computed: {error}"
    elif failed:
        message = f"parity failed: {agreement.told(agreement.worst(failed))}"
    else:
        return None
    if not config.parity.train_despite_failure:
        raise Gated(message)
    return f"{message}; measured all the same, as parity.train_despite_failure says"


def finite(values: dict) -> dict:
    """The same, with null where a number is not finite."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def flat(value: object, name: str = "") -> list[tuple[str, object]]:
    """Dotted names of what nested dicts and lists hold; an empty one is a value, too."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for key, inner in items for pair in flat(inner, f"{name}.{key}" if name else str(key))]
    return [(name, "none" if value in ([], {}) else value)]
