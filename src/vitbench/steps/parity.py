"""parity: the gate; proves that this backend computes the same model before it is trained or timed."""

import keras
import numpy as np

from vitbench import execution, models
from vitbench.config import SCHEMA_VERSION, Config
from vitbench.environment import process_times
from vitbench.progress import say
from vitbench.records import Job
from vitbench.results import Results, read_json, whole, write_json
from vitbench.steps import init, tune

EXECUTIONS = ("published", "tuned")


def run(config: Config, results: Results, model: str, backend: str) -> None:
    reference_backend = config.reference_of(model)
    quantities = logits(config, results, model, backend)
    with whole(results.parity_quantities(model, backend)) as path, path.open("wb") as file:
        np.savez(file, **quantities)
    if backend == reference_backend:
        reference = quantities["published"]
    else:
        reference = np.load(results.parity_quantities(model, reference_backend))["published"]
    rows = [
        {
            **{"model": model, "backend": backend, "reference_backend": reference_backend, "execution": execution_},
            **compare("logits", quantities[execution_], reference, config.parity.logits_tolerance),
        }
        for execution_ in EXECUTIONS
        # The reference compares its other executions with the one that it is the reference by.
        if (backend, execution_) != (reference_backend, "published")
    ]
    passed = all(row["passed"] for row in rows)
    differences = ", ".join(f"{row['execution']} {row['max_rel_difference']}" for row in rows)
    say(f"parity {model} · {backend}: {'passed' if passed else 'FAILED'}; largest relative difference: {differences}")
    content = {"schema_version": SCHEMA_VERSION, "passed": passed, "quantities": rows, **process_times()}
    write_json(results.parity(model, backend), content)


def logits(config: Config, results: Results, model: str, backend: str) -> dict[str, np.ndarray]:
    """float32 (batch, classes) for each execution: the logits of the first test images, from the shared weights."""
    parts = models.build(model, config.models.parameters()[model], read_json(results.manifest))
    init.load(parts, results, model, config.seeds_of(model)[0])
    images = np.array(np.load(results.images("test"), mmap_mode="r")[: config.parity.batch_size])
    found = {}
    for name in EXECUTIONS:
        plan = tune.plan(results, Job(model, backend, name, config.precisions[0]))
        network = execution.assemble(parts, plan, keras.optimizers.SGD())  # it takes no step
        found[name] = np.asarray(network.predict_on_batch(images), dtype=np.float32)
    return found


def compare(quantity: str, found: np.ndarray, reference: np.ndarray, tolerance: float) -> dict:
    """The largest difference, absolute and relative to the reference's largest magnitude; shapes (batch, classes).

    A value that is no number fails, whatever the tolerance.
    """
    difference = float(np.max(np.abs(found.astype(np.float64) - reference)))
    relative = difference / float(np.max(np.abs(reference)))
    finite = bool(np.isfinite(found).all())
    return {
        "quantity": quantity,
        "max_abs_difference": difference if finite else None,
        "max_rel_difference": relative if finite else None,
        "tolerance": tolerance,
        "passed": finite and relative <= tolerance,
    }
