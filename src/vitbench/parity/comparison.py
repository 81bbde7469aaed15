"""The parity of one model on one backend: which quantities are computed, and with what they are compared.

The reference for the logits, loss and slope of a Vision Transformer and for augmented pixels is NumPy in float64. For
every other quantity it is another backend.
"""

from dataclasses import dataclass, field

import numpy as np

from vitbench.backends.plan import Plan
from vitbench.config.models import ViT
from vitbench.config.schema import Config
from vitbench.data.batches import Batches
from vitbench.execution.assemble import resolve_plan
from vitbench.execution.workload import Workload, load_initial_weights
from vitbench.formatting import format_number
from vitbench.models.registry import ModelParts
from vitbench.parity.augmentation import apply_draws, read_draws
from vitbench.parity.native import compute_native_quantities
from vitbench.parity.quantities import collect_quantities, make_deterministic, run_augmentation
from vitbench.parity.reference import directional_slope, reference_quantities, resize
from vitbench.parity.tolerance import Quantities, compare_quantities, describe_row, find_worst
from vitbench.results.paths import Results
from vitbench.system.logs import log

AUGMENTED_IMAGES = 64

Plans = dict[tuple[str, str], Plan]  # by execution mode and precision


@dataclass
class Computed:
    """The quantities of a model on one backend.

    by_execution: those of each execution mode and precision.
    augmentation: for the same keys, the augmented pixels and the expected ones.
    exact: those of the NumPy reference; empty unless the model is a Vision Transformer.
    native_error: why those of the native model could not be computed; None if they were, or if there is none.
    """

    by_execution: dict[tuple[str, str], Quantities] = field(default_factory=dict)
    augmentation: dict[tuple[str, str], tuple[Quantities, Quantities]] = field(default_factory=dict)
    exact: Quantities = field(default_factory=dict)
    native_error: str | None = None

    @property
    def first(self) -> Quantities:
        """The quantities that other backends and the other execution modes of this one are compared with."""
        return next(iter(self.by_execution.values()))


def fixed_batches(config: Config, workload: Workload) -> Batches:
    """The batches of training images on which every backend computes its quantities."""
    return Batches(*workload.train, config.parity.batch_size, seed=0, steps=config.parity.steps)


def compute_quantities(
    config: Config, results: Results, model: str, workload: Workload, plans: Plans, batches: Batches
) -> Computed:
    """Computes the quantities of every plan. Plans that resolve to the same one are computed once."""
    computed, parts = Computed(), workload.parts
    if parts.augmentation:
        augmented = {plan: _compute_augmentation(parts, plan, batches) for plan in dict.fromkeys(plans.values())}
        computed.augmentation = {key: augmented[plan] for key, plan in plans.items()}
        load_initial_weights(parts, results, model, config.model_seeds(model)[0])
    parameters = config.models.parameters()[model]
    if isinstance(parameters, ViT):
        weights = parts.trainable_weights()
        computed.exact = reference_quantities(*batches[0], weights, workload.normalization, parameters)
    make_deterministic(parts)
    resolved = {key: resolve_plan(plan, parts) for key, plan in plans.items()}
    by_plan: dict[Plan, Quantities] = {}
    # Captured steps come first: their capture fails if a plain step of the same weights has left an autograd graph.
    for plan in sorted(dict.fromkeys(resolved.values()), key=lambda plan: not plan.cuda_graph):
        load_initial_weights(parts, results, model, config.model_seeds(model)[0])
        by_plan[plan] = _add_slope(collect_quantities(parts, plan, batches), computed.exact)
    computed.by_execution = {key: by_plan[plan] for key, plan in resolved.items()}
    return computed


def add_native(
    computed: Computed,
    config: Config,
    model: str,
    backend: str,
    weights: Quantities,
    workload: Workload,
    batches: Batches,
) -> None:
    """Adds the quantities of the native model to `computed`, or the error that prevented it.

    An error is not raised, because it must not stop the Keras model.
    """
    try:
        native = compute_native_quantities(config, model, backend, weights, workload, batches)
    except Exception as error:
        log.exception("the native model of %s failed", backend)
        computed.native_error = f"{type(error).__name__}: {error}"
    else:
        computed.by_execution["native", "float32"] = native


def compare_with_references(
    computed: Computed, expected: Quantities, reference_backend: str, config: Config
) -> list[dict]:
    """The rows of tables/parity, without model and backend. expected: the quantities of the reference backend."""
    rows, tolerances = [], config.parity.tolerances
    others = {name: value for name, value in expected.items() if name not in computed.exact}
    for (execution, precision), quantities in computed.by_execution.items():
        comparisons = [("numpy", quantities, computed.exact)]
        if (execution, precision) in computed.augmentation:
            comparisons.insert(0, ("numpy", *computed.augmentation[execution, precision]))
        if quantities is not expected:
            comparisons.append((reference_backend, quantities, others))
        for reference, actual, target in comparisons:
            keys = {"execution": execution, "precision": precision, "reference_backend": reference}
            rows += [keys | row for row in compare_quantities(actual, target, tolerances)]
    return rows


def summarize_rows(rows: list[dict]) -> str:
    """One line: whether parity passed, and the comparison that is closest to its tolerance or furthest beyond it."""
    failed = [row for row in rows if not row["passed"]]
    if failed:
        return f"FAILED, {len(failed)} of {len(rows)} comparisons; {describe_row(find_worst(failed))}"
    if not rows:
        return "nothing to compare with: no other backend takes part, and both execution modes compute the same"
    closest = find_worst(rows)
    used = format_number(closest["max_rel_difference"] / closest["tolerance"])
    return f"passed, {len(rows)} comparisons; the closest, {closest['quantity']}, used {used} of its tolerance"


def _compute_augmentation(parts: ModelParts, plan: Plan, batches: Batches) -> tuple[Quantities, Quantities]:
    """The augmented pixels of some images under `plan`, and the pixels that the same draws should give."""
    size = parts.preprocessing[-1].compute_output_shape((1, *parts.input_shape))[1]
    pixels = resize(np.asarray(batches.images[:AUGMENTED_IMAGES], np.float64), size).mean(axis=-1)
    augmented = run_augmentation(parts, plan, pixels)
    return {"augmentation": augmented[..., 2]}, {"augmentation": apply_draws(pixels, read_draws(augmented))}


def _add_slope(quantities: Quantities, exact: Quantities) -> Quantities:
    return quantities | {"slope": directional_slope(quantities)} if exact else quantities
