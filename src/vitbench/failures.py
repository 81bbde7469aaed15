"""Jobs that did not complete: which command is to blame, and what it said last."""

from dataclasses import dataclass
from pathlib import Path

from vitbench.config import Config
from vitbench.records import Job
from vitbench.results import Results, read_json

LAST_LINES = 15
LONGEST_LINE = 300  # characters


@dataclass(frozen=True)
class Failure:
    """Of one command; a job fails with it that had to wait for its result. status: of tables/runs."""

    step: str
    names: tuple[str, ...]
    status: str
    error: str
    log: Path

    def last_lines(self) -> str:
        """The end of its log, or nothing if there is none."""
        if not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line.rstrip()[:LONGEST_LINE] for line in lines if line.strip()][-LAST_LINES:])


def of(config: Config, results: Results, job: Job) -> Failure | None:
    """Why `job`, a run or a throughput measurement, did not complete; None if it did."""
    if job.result(results).exists():
        found = read_json(job.result(results))
        if found["status"] == "completed":
            return None
        if found["status"] == "gated" and (error := read_json(results.parity(job.model, job.backend)).get("error")):
            names = (job.model, job.backend)
            return Failure("parity", names, "failed", error, results.log("parity", *names))
        return Failure(job.step, job.names, found["status"], found["error"], results.log(job.step, *job.names))
    return _without_result(config, results, job)


def _without_result(config: Config, results: Results, job: Job) -> Failure:
    """The first command on the way to the job's result that left none."""
    seed = config.seeds_of(job.model)[0] if job.seed is None else job.seed
    plan = (job.model, job.backend, job.precision)
    way = [
        ("data", (), results.manifest),
        ("init", (job.model, f"seed{seed}"), results.init(job.model, seed)),
        ("tune", plan, results.tune(*plan)),
        *(
            ("parity", (job.model, backend), results.parity(job.model, backend))
            for backend in (config.reference_of(job.model), job.backend)
        ),
        (job.step, job.names, job.result(results)),
    ]
    step, names = next((step, names) for step, names, result in way if not result.exists())
    log = results.log(step, *names)
    if not log.exists():
        return Failure(step, names, "missing", f"{step} was not begun, or ended before its first line", log)
    failure = Failure(step, names, "failed", f"{step} left no result", log)
    said = failure.last_lines().splitlines()
    return Failure(step, names, "failed", f"{step} left no result; it said last: {said[-1]}", log) if said else failure
