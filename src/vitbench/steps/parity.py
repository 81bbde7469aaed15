"""parity: compares the quantities of a backend with the reference, before the backend is trained or timed."""

from typing import Any

import numpy as np

from vitbench.config.schema import Config
from vitbench.execution.plans import load_plan
from vitbench.execution.workload import load_workload
from vitbench.parity.comparison import (
    Computed,
    Plans,
    add_native,
    compare_with_references,
    compute_quantities,
    fixed_batches,
    summarize_rows,
)
from vitbench.parity.tolerance import Quantities
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION
from vitbench.system.files import atomic_write, write_json
from vitbench.system.logs import notify
from vitbench.system.times import process_times


def run(config: Config, results: Results, model: str, backend: str) -> None:
    """Writes the verdict and the compared quantities. Raises RuntimeError if there is nothing to compare with."""
    workload = load_workload(config, results, model, config.model_seeds(model)[0])
    batches, weights = fixed_batches(config, workload), workload.parts.trainable_weights()
    computed = compute_quantities(
        config, results, model, workload, _load_plans(config, results, model, backend), batches
    )
    _save_quantities(config, results, model, backend, computed.first)
    expected = _load_expected(config, results, model, backend, computed)
    if (model, backend) in config.model_backends() and "native" in config.timed_executions(model, backend):
        add_native(computed, config, model, backend, weights, workload, batches)
    rows = compare_with_references(computed, expected, config.reference_backend(model), config)
    _write_verdict(results, model, backend, rows, computed.native_error)


def _load_plans(config: Config, results: Results, model: str, backend: str) -> Plans:
    """The plans that will be measured; for a backend that is only the reference, the published one."""
    takes_part = (model, backend) in config.model_backends()
    executions = config.keras_executions(model) if takes_part else ["published"]
    jobs = [Job(model, backend, execution, precision) for execution in executions for precision in config.precisions]
    return {(job.execution, job.precision): load_plan(results, job) for job in jobs}


def _save_quantities(config: Config, results: Results, model: str, backend: str, quantities: dict[str, Any]) -> None:
    """Saves the quantities; the gradients, which are large, only for the reference backend."""
    if backend != config.reference_backend(model):
        quantities = {name: value for name, value in quantities.items() if not name.startswith("gradient/")}
    with atomic_write(results.parity_quantities(model, backend)) as path, path.open("wb") as file:
        np.savez(file, **quantities)


def _load_expected(config: Config, results: Results, model: str, backend: str, computed: Computed) -> Quantities:
    """The quantities of the reference backend; empty if it failed and NumPy is the only reference.

    Raises RuntimeError if it failed and NumPy is no reference for this model.
    """
    reference = config.reference_backend(model)
    if backend == reference:
        return computed.first
    with np.load(results.parity_quantities(model, reference)) as file:
        expected = {name: file[name] for name in file.files}
    if not expected and not computed.exact:
        raise RuntimeError(f"there is nothing to compare with, because parity of {reference} failed")
    if not expected:
        notify(f"parity {model} · {backend}: compared with NumPy alone, because parity of {reference} failed")
    return expected


def _write_verdict(results: Results, model: str, backend: str, rows: list[dict], native_error: str | None) -> None:
    content = {
        "schema_version": SCHEMA_VERSION,
        "passed": all(row["passed"] for row in rows),
        "quantities": [{"model": model, "backend": backend} | row for row in rows],
        **process_times(),
    }
    if native_error is not None:
        content["native_error"] = native_error
    write_json(results.parity(model, backend), content)
    notify(f"parity {model} · {backend}: {summarize_rows(rows)}")
