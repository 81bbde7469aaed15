"""Why a job did not complete: which command failed, and the end of its log."""

from dataclasses import dataclass
from pathlib import Path

from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.files import read_json

LAST_LINES = 15
LINE_LENGTH = 300  # characters


@dataclass(frozen=True)
class Failure:
    """A command that failed, and with it every job that needed its result. status: as in tables/runs."""

    step: str
    names: tuple[str, ...]
    status: str
    error: str
    log: Path

    def last_lines(self) -> str:
        """The end of the log; empty without a log."""
        if not self.log.exists():
            return ""
        return "\n".join(_read_lines(self.log)[-LAST_LINES:])


def find_failure(config: Config, results: Results, job: Job) -> Failure | None:
    """Why `job` did not complete; None if it did."""
    if not job.result_path(results).exists():
        return _find_missing_result(config, results, job)
    result = read_json(job.result_path(results))
    if result["status"] == "completed":
        return None
    if result["status"] == "gated" and (error := read_json(results.parity(job.model, job.backend)).get("error")):
        names = (job.model, job.backend)
        return Failure("parity", names, "failed", error, results.log("parity", *names))
    return Failure(job.step, job.log_names, result["status"], result["error"], results.log(job.step, *job.log_names))


def _find_missing_result(config: Config, results: Results, job: Job) -> Failure:
    """The first command that the job depends on, or the job's own, that has no result."""
    seed = config.model_seeds(job.model)[0] if job.seed is None else job.seed
    plan = (job.model, job.backend, job.precision)
    reference = config.reference_backend(job.model)
    commands = [
        ("data", (), config.data_backend(), results.manifest),
        ("init", (job.model, f"seed{seed}"), reference, results.init(job.model, seed)),
        ("tune", plan, job.backend, results.tune(*plan)),
        ("parity", (job.model, reference), reference, results.parity(job.model, reference)),
        ("parity", (job.model, job.backend), job.backend, results.parity(job.model, job.backend)),
        (job.step, job.log_names, job.backend, job.result_path(results)),
    ]
    step, names, backend, _ = next(command for command in commands if not command[-1].exists())
    log = results.log(step, *names)
    lines = _read_lines(log) if log.exists() else []
    environment = config.environment(backend)
    creation_log = results.log("environment", environment)
    if creation_log.exists() and not (lines and log.stat().st_mtime > creation_log.stat().st_mtime):
        errors = [line for line in _read_lines(creation_log) if "error" in line.lower()] or [f"see {creation_log}"]
        error = f"conda could not create the environment: {errors[-1]}"
        return Failure("environment", (environment,), "failed", error, creation_log)
    if not log.exists():
        return Failure(step, names, "missing", f"{step} did not start, or ended before it wrote to its log", log)
    last_line = f"; the last line of its log: {lines[-1]}" if lines else ""
    return Failure(step, names, "failed", f"{step} left no result{last_line}", log)


def _read_lines(log: Path) -> list[str]:
    """The lines of a log that are not blank, each cut to `LINE_LENGTH`."""
    lines = log.read_text(errors="replace").splitlines()
    return [line.rstrip()[:LINE_LENGTH] for line in lines if line.strip()]
