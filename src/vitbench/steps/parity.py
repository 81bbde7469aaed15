"""parity: the gate; proves that this backend computes the same as the reference before it is trained or timed.

The reference is float64 NumPy where there is one: for the Vision Transformer's logits, loss and slope, and for what an
augmentation makes of an image. For the rest it is another backend.
"""

import numpy as np

from vitbench.backends.plan import Plan
from vitbench.config.models import ViT
from vitbench.config.schema import Config
from vitbench.data.batches import Batches
from vitbench.data.splits import load_splits
from vitbench.execution.assemble import resolve_plan
from vitbench.execution.plans import load_plan
from vitbench.execution.workload import load_initial_weights
from vitbench.formatting import format_number
from vitbench.models.native.registry import Settings
from vitbench.models.registry import ModelParts, build_model
from vitbench.parity.augmentation import apply_draws, read_draws
from vitbench.parity.native import collect_native_quantities
from vitbench.parity.quantities import OPTIMIZER, collect_quantities, make_deterministic, run_augmentation
from vitbench.parity.reference import directional_slope, reference_quantities, resize
from vitbench.parity.tolerance import Quantities, compare_quantities, describe_row, find_worst
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION
from vitbench.system.files import atomic_write, read_json, write_json
from vitbench.system.logs import log, notify
from vitbench.system.times import process_times

AUGMENTED_IMAGES = 64


def run(config: Config, results: Results, model: str, backend: str) -> None:
    parts = build_model(model, config.models.parameters()[model], read_json(results.manifest))
    batches = fixed_batches(config, results)
    plans = _plans(config, results, model, backend)
    distinct = dict.fromkeys(plans.values())
    augmented = {plan: _augmentation(parts, plan, batches) for plan in distinct if parts.augmentation}
    load_initial_weights(parts, results, model, config.model_seeds(model)[0])
    weights = parts.trainable_weights()
    true = _by_numpy(config, results, model, weights, batches)
    make_deterministic(parts)
    resolved = {plan: resolve_plan(plan, parts) for plan in distinct}
    computed = {}
    for plan in dict.fromkeys(resolved.values()):  # two executions can come to the same
        load_initial_weights(parts, results, model, config.model_seeds(model)[0])
        computed[plan] = _with_slope(collect_quantities(parts, plan, batches), true)
    expected = next(iter(computed.values()))  # what other backends, and other plans here, are compared with
    _keep(results, config, model, backend, expected)
    reference_backend = config.reference_backend(model)
    if backend != reference_backend:
        with np.load(results.parity_quantities(model, reference_backend)) as kept:
            expected = {name: kept[name] for name in kept.files}
        if not expected and not true:
            raise RuntimeError(f"there is nothing to compare with, since {reference_backend} itself failed")
        if not expected:
            notify(f"parity {model} · {backend}: compared with NumPy alone, since {reference_backend} itself failed")
    content = {"schema_version": SCHEMA_VERSION}
    to_compare = [(name, precision, computed[resolved[plan]]) for (name, precision), plan in plans.items()]
    if (model, backend) in config.model_backends() and "native" in config.timed_executions(model, backend):
        try:
            found = _with_slope(_native(config, results, model, backend, weights, batches), true)
            to_compare.append(("native", "float32", found))
        except Exception as error:  # which is not Keras'
            log.exception("the model without Keras failed")
            content["native_error"] = f"{type(error).__name__}: {error}"
    rows = []
    for name, precision, found in to_compare:
        keys = {"execution": name, "precision": precision}
        if name != "native" and augmented:
            rows += _rows(keys, "numpy", *augmented[plans[name, precision]], config)
        rows += _rows(keys, "numpy", found, true, config)
        if found is not expected:
            others = {quantity: value for quantity, value in expected.items() if quantity not in true}
            rows += _rows(keys, reference_backend, found, others, config)
    keys = {"model": model, "backend": backend}
    content |= {"passed": all(row["passed"] for row in rows), "quantities": [keys | row for row in rows]}
    write_json(results.parity(model, backend), content | process_times())
    notify(f"parity {model} · {backend}: {summarize_rows(rows)}")


def fixed_batches(config: Config, results: Results) -> Batches:
    """Training images in the same batches wherever they are drawn."""
    images, labels = load_splits(results, config.dataset.validation_fraction)["train"]
    return Batches(images, labels, config.parity.batch_size, seed=0, steps=config.parity.steps)


def summarize_rows(rows: list[dict]) -> str:
    """Passed or failed, and by which quantity, in one line."""
    failed = [row for row in rows if not row["passed"]]
    if failed:
        return f"FAILED, {len(failed)} of {len(rows)} comparisons; {describe_row(find_worst(failed))}"
    if not rows:
        return "there is nothing to compare with: no other backend takes part, and both executions come to the same"
    closest = find_worst(rows)
    share = format_number(closest["max_rel_difference"] / closest["tolerance"])
    return f"passed, {len(rows)} comparisons; the closest, {closest['quantity']}, used {share} of its tolerance"


def _plans(config: Config, results: Results, model: str, backend: str) -> dict[tuple[str, str], Plan]:
    """By execution and precision, those that will be measured; of a backend that is only compared with, the first."""
    names = config.keras_executions(model) if (model, backend) in config.model_backends() else ["published"]
    jobs = [Job(model, backend, name, precision) for name in names for precision in config.precisions]
    return {(job.execution, job.precision): load_plan(results, job) for job in jobs}


def _augmentation(parts: ModelParts, plan: Plan, batches: Batches) -> tuple[Quantities, Quantities]:
    """What an execution makes of some images, and what it should make of them, given what it drew."""
    size = parts.preprocessing[-1].compute_output_shape((1, *parts.input_shape))[1]
    pixels = resize(np.asarray(batches.images[:AUGMENTED_IMAGES], np.float64), size).mean(axis=-1)
    seen = run_augmentation(parts, plan, pixels)
    return {"augmentation": seen[..., 2]}, {"augmentation": apply_draws(pixels, read_draws(seen))}


def _by_numpy(config: Config, results: Results, model: str, weights: Quantities, batches: Batches) -> Quantities:
    parameters = config.models.parameters()[model]
    if not isinstance(parameters, ViT):
        return {}
    return reference_quantities(*batches[0], weights, read_json(results.manifest)["normalization"], parameters)


def _native(
    config: Config, results: Results, model: str, backend: str, weights: Quantities, batches: Batches
) -> Quantities:
    rate, decay = OPTIMIZER["learning_rate"], OPTIMIZER["weight_decay"]
    settings = Settings(rate, decay, compiled=config.throughput.native_compiled)
    parameters, normalization = config.models.parameters()[model], read_json(results.manifest)["normalization"]
    return collect_native_quantities(backend, parameters, normalization, weights, settings, batches)


def _with_slope(found: Quantities, true: Quantities) -> Quantities:
    return found | {"slope": directional_slope(found)} if true else found


def _keep(results: Results, config: Config, model: str, backend: str, kept: Quantities) -> None:
    """Writes what others are compared with, or could be; the gradients only of the reference."""
    if backend != config.reference_backend(model):
        kept = {name: value for name, value in kept.items() if not name.startswith("gradient/")}
    with atomic_write(results.parity_quantities(model, backend)) as path, path.open("wb") as file:
        np.savez(file, **kept)


def _rows(keys: dict, reference_backend: str, found: Quantities, expected: Quantities, config: Config) -> list[dict]:
    keys = keys | {"reference_backend": reference_backend}
    return [keys | row for row in compare_quantities(found, expected, config.parity.tolerances)]
