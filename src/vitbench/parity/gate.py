"""The parity gate: stops the jobs of a backend that failed parity."""

import numpy as np

from vitbench.config.schema import Config
from vitbench.parity.tolerance import describe_row, find_worst
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION
from vitbench.system.files import atomic_write, read_json, write_json
from vitbench.system.times import process_times


class GatedError(Exception):
    """The parity gate stops this job; the message says which quantity failed."""


def check_gate(config: Config, results: Results, job: Job) -> str | None:
    """Returns None if the model passed parity on the backend of `job`, and a warning if it failed but may run.

    The native execution mode passes or fails on its own. Raises GatedError if parity failed and
    `parity.train_despite_failure` is false.
    """
    verdict = read_json(results.parity(job.model, job.backend))
    is_native = job.execution == "native"
    rows = [row for row in verdict["quantities"] if (row["execution"] == "native") == is_native]
    failed = [row for row in rows if not row["passed"]]
    if error := verdict.get("error") or (is_native and verdict.get("native_error")):
        message = f"parity could not be computed: {error}"
    elif failed:
        message = f"parity failed: {describe_row(find_worst(failed))}"
    else:
        return None
    if not config.parity.train_despite_failure:
        raise GatedError(message)
    return f"{message}; measured anyway, because parity.train_despite_failure is true"


def write_failed_parity(results: Results, model: str, backend: str, error: BaseException) -> None:
    """Writes a failed verdict for a backend on which parity could not be computed, because of `error`."""
    with atomic_write(results.parity_quantities(model, backend)) as path, path.open("wb") as file:
        np.savez(file)
    content = {
        "schema_version": SCHEMA_VERSION,
        "passed": False,
        "error": f"{type(error).__name__}: {error}",
        "quantities": [],
        **process_times(),
    }
    write_json(results.parity(model, backend), content)
