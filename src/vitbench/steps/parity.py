"""parity: the gate; proves that this backend computes the same as the reference before it is trained or timed.

The reference is float64 NumPy where there is one: for the Vision Transformer's logits, loss and slope, and for what an
augmentation makes of an image. For the rest it is another backend.
"""

import numpy as np

from vitbench import agreement, augmentation, execution, models, reference, sameness
from vitbench.agreement import Quantities
from vitbench.config import SCHEMA_VERSION, Config
from vitbench.config.models import ViT
from vitbench.environment import process_times
from vitbench.execution import Plan
from vitbench.feeding import Batches
from vitbench.models import Parts
from vitbench.numerals import number
from vitbench.progress import say
from vitbench.records import Job
from vitbench.results import Results, read_json, whole, write_json
from vitbench.splits import split
from vitbench.steps import init, tune

AUGMENTED_IMAGES = 64


def run(config: Config, results: Results, model: str, backend: str) -> None:
    parts = models.build(model, config.models.parameters()[model], read_json(results.manifest))
    batches = fixed_batches(config, results)
    plans = _plans(config, results, model, backend)
    augmented = {name: _augmentation(parts, plan, batches) for name, plan in plans.items() if parts.augmentation}
    init.load(parts, results, model, config.seeds_of(model)[0])
    true = _by_numpy(config, results, model, parts, batches)
    sameness.still(parts)
    found, of_plan = {}, {}
    for name, plan in plans.items():
        plan = execution.resolved(plan, parts)
        if plan not in of_plan:  # two executions can come to the same
            init.load(parts, results, model, config.seeds_of(model)[0])
            of_plan[plan] = sameness.quantities(parts, plan, batches)
        found[name] = of_plan[plan] | ({"slope": reference.slope(of_plan[plan])} if true else {})
    _keep(results, config, model, backend, found)
    expected = found["published"]
    reference_backend = config.reference_of(model)
    if backend != reference_backend:
        with np.load(results.parity_quantities(model, reference_backend)) as kept:
            expected = {name: kept[name] for name in kept.files}
    rows = []
    for name in plans:
        if augmented:
            rows += _rows(name, "numpy", *augmented[name], config)
        rows += _rows(name, "numpy", found[name], true, config)
        if (backend, name) != (reference_backend, "published"):
            others = {quantity: value for quantity, value in expected.items() if quantity not in true}
            rows += _rows(name, reference_backend, found[name], others, config)
    keys = {"model": model, "backend": backend}
    content = {"schema_version": SCHEMA_VERSION, "passed": all(row["passed"] for row in rows)}
    write_json(
        results.parity(model, backend), content | {"quantities": [keys | row for row in rows], **process_times()}
    )
    say(f"parity {model} · {backend}: {summary(rows)}")


def fixed_batches(config: Config, results: Results) -> Batches:
    """Training images in the same batches wherever they are drawn."""
    images, labels = split(results, config.dataset.validation_fraction)["train"]
    return Batches(images, labels, config.parity.batch_size, seed=0, steps=config.parity.steps)


def summary(rows: list[dict]) -> str:
    """Passed or failed, and by which quantity, in one line."""
    failed = [row for row in rows if not row["passed"]]
    if failed:
        return f"FAILED, {len(failed)} of {len(rows)} comparisons; {agreement.told(agreement.worst(failed))}"
    closest = agreement.worst(rows)
    share = number(closest["max_rel_difference"] / closest["tolerance"]) if rows else None
    return f"passed, {len(rows)} comparisons; the closest, {closest['quantity']}, used {share} of its tolerance"


def _plans(config: Config, results: Results, model: str, backend: str) -> dict[str, Plan]:
    """As published, which the reference is computed by, and whatever else this backend is measured with."""
    names = config.executions_used() if (model, backend) in config.contestants() else []
    names = ["published", *(name for name in names if name != "published")]
    return {name: tune.plan(results, Job(model, backend, name, config.precisions[0])) for name in names}


def _augmentation(parts: Parts, plan: Plan, batches: Batches) -> tuple[Quantities, Quantities]:
    """What an execution makes of some images, and what it should make of them, given what it drew."""
    size = parts.preprocessing[-1].compute_output_shape((1, *parts.input_shape))[1]
    pixels = reference.resized(np.asarray(batches.images[:AUGMENTED_IMAGES], np.float64), size).mean(axis=-1)
    seen = sameness.augmented(parts, plan, pixels)
    return {"augmentation": seen[..., 2]}, {"augmentation": augmentation.applied(pixels, augmentation.drawn(seen))}


def _by_numpy(config: Config, results: Results, model: str, parts: Parts, batches: Batches) -> Quantities:
    parameters = config.models.parameters()[model]
    if not isinstance(parameters, ViT):
        return {}
    weights = {weight.path: np.asarray(weight.numpy(), np.float64) for weight in parts.classifier.trainable_weights}
    return reference.quantities(*batches[0], weights, read_json(results.manifest)["normalization"], parameters)


def _keep(results: Results, config: Config, model: str, backend: str, found: dict[str, Quantities]) -> None:
    """Writes what was computed as published, for others to compare with; the gradients only of the reference."""
    kept = found["published"]
    if backend != config.reference_of(model):
        kept = {name: value for name, value in kept.items() if not name.startswith("gradient/")}
    with whole(results.parity_quantities(model, backend)) as path, path.open("wb") as file:
        np.savez(file, **kept)


def _rows(
    execution: str, reference_backend: str, found: Quantities, expected: Quantities, config: Config
) -> list[dict]:
    keys = {"execution": execution, "reference_backend": reference_backend}
    return [keys | row for row in agreement.compared(found, expected, config.parity.tolerances)]
