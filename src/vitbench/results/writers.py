"""Writes the result of a job, whether it completed or not."""

import math

from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.schema import EPOCH_COLUMNS, RUN_COLUMNS
from vitbench.system.environment import collect_environment
from vitbench.system.files import atomic_write, write_json
from vitbench.system.times import process_times


def build_run_record(config: Config, job: Job, status: str, values: dict, history: list[dict]) -> dict:
    """The arguments of `write_run`: `row` of tables/runs, `history` and `environment`.

    values: columns of tables/runs, and under `audit` the execution audit. history: a row per epoch.
    """
    audit = values.pop("audit", {})
    environment = collect_environment(audit.get("device"))
    common = {
        **job.key_columns(config),
        "status": status,
        "epochs": len(history),
        "device": environment["device"],
        "python_version": environment["python_version"],
        "git_commit": environment["git"]["commit"],
        "config_sha256": config.digest(),
        **process_times(),
    }
    return {
        "row": dict.fromkeys(RUN_COLUMNS) | common | replace_nonfinite(values),
        "history": [replace_nonfinite(epoch) for epoch in history],
        "environment": {**environment, "execution": audit},
    }


def write_run(results: Results, job: Job, row: dict, history: list[dict], environment: dict) -> None:
    """Writes history.csv, environment.json and, last, metrics.json of a run."""
    directory = results.run(*job.run_key)
    lines = [",".join(EPOCH_COLUMNS)]
    lines += [",".join("" if epoch[name] is None else str(epoch[name]) for name in EPOCH_COLUMNS) for epoch in history]
    with atomic_write(directory / "history.csv") as path:
        path.write_text("\n".join(lines) + "\n")
    write_json(directory / "environment.json", environment)
    write_json(directory / "metrics.json", row)


def write_throughput(config: Config, results: Results, job: Job, status: str, values: dict) -> None:
    """Writes a throughput measurement.

    values: `measurements`, a dict per phase and batch size; `environment` of the process that measured, if that is not
    this one; `error`.
    """
    content = {
        **job.key_columns(config),
        "status": status,
        "error": None,
        "measurements": [],
        "config_sha256": config.digest(),
        **process_times(),
        "environment": collect_environment(),
        **values,
    }
    content["device"] = content["environment"]["device"]
    write_json(job.result_path(results), content)


def write_unfinished(config: Config, results: Results, job: Job, status: str, message: str) -> None:
    """Writes a row for a job that did not complete, with the reason in `message`."""
    if job.seed is None:
        write_throughput(config, results, job, status, {"error": message})
    else:
        write_run(results, job, **build_run_record(config, job, status, {"error": message}, []))


def replace_nonfinite(values: dict) -> dict:
    """The same values, with None in place of NaN and infinity."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
