"""TODO."""

from vitbench.config.schema import SCHEMA_VERSION, Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.files import atomic_write, read_json, write_json
from vitbench.system.times import process_times


class GatedError(Exception):
    """The parity gate forbids this job; the message says which quantity failed."""


def check_gate(config: Config, results: Results, job: Job) -> str | None:
    """None if this model and backend passed parity; what failed, if the config says to go on in spite of it.

    What is native passes for itself alone. Raises Gated, which says what failed, if the config does not.
    """
    from vitbench.parity.tolerance import describe_row, find_worst

    verdict = read_json(results.parity(job.model, job.backend))
    native = job.execution == "native"
    failed = [r for r in verdict["quantities"] if not r["passed"] and (r["execution"] == "native") == native]
    if error := verdict.get("error") or (native and verdict.get("native_error")):
        message = f"parity could not be computed: {error}"
    elif failed:
        message = f"parity failed: {describe_row(find_worst(failed))}"
    else:
        return None
    if not config.parity.train_despite_failure:
        raise GatedError(message)
    return f"{message}; measured all the same, as parity.train_despite_failure says"


def write_failed_parity(results: Results, model: str, backend: str, error: BaseException) -> None:
    """Leaves the verdict on a backend that could not compute what is compared: it failed."""
    import numpy as np

    with atomic_write(results.parity_quantities(model, backend)) as path, path.open("wb") as file:
        np.savez(file)
    verdict = {"schema_version": SCHEMA_VERSION, "passed": False, "error": f"{type(error).__name__}: {error}"}
    write_json(results.parity(model, backend), verdict | {"quantities": [], **process_times()})
