"""How close the model without Keras is to the one with Keras, on one backend."""

import keras
import numpy as np

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.config.models import ViT
from vitbench.config.parity import Tolerances
from vitbench.data.batches import Batches
from vitbench.models.native.registry import Settings
from vitbench.models.registry import build_model
from vitbench.parity.native import collect_native_quantities
from vitbench.parity.quantities import OPTIMIZER, collect_quantities, make_deterministic
from vitbench.parity.reference import directional_slope, reference_quantities
from vitbench.parity.tolerance import compare_quantities

NORMALIZATION = {"mean": [120.0, 118.0, 110.0], "variance": [4000.0, 3900.0, 4100.0]}
MANIFEST = {"image_shape": [32, 32, 3], "class_names": [str(i) for i in range(10)], "normalization": NORMALIZATION}
SMALL = {
    "image_size": 24,
    "projection_dim": 16,
    "num_heads": 2,
    "layers": 2,
    "block_units": [32, 16],
    "head_units": [8],
}
STEPS = 20


def compare_with_keras(changes: dict, native_changes: dict, compiled: bool) -> dict[str, float]:
    """The largest difference ÷ its tolerance, by quantity.

    changes: of the small ViT's parameters. native_changes: further ones of the native model alone. compiled: whether
    torch.compile compiles the native model, which takes 20 s; JAX always compiles it.
    """
    keras.utils.set_random_seed(3)
    backend, p = current_backend().name, ViT.model_validate(SMALL | changes)
    parts = build_model("vit", p, MANIFEST)
    weights = parts.trainable_weights()
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (64, 32, 32, 3), np.uint8), random.integers(0, 10, 64).astype(np.int32)
    batches = Batches(images, labels, 16, seed=0, steps=STEPS)
    settings = Settings(OPTIMIZER["learning_rate"], OPTIMIZER["weight_decay"], compiled=compiled)
    native_p = p.model_copy(update=native_changes)
    quantities = collect_native_quantities(backend, native_p, NORMALIZATION, weights, settings, batches)
    quantities["slope"] = directional_slope(quantities)
    numpy_quantities = reference_quantities(*batches[0], weights, NORMALIZATION, p)
    keras_plan = Plan(jit_compile=backend == "jax")
    keras_quantities = collect_quantities(make_deterministic(parts), keras_plan, batches)
    largest: dict[str, float] = {}
    for row in compare_quantities(quantities, keras_quantities | numpy_quantities, Tolerances()):
        ratio = row["max_rel_difference"] / row["tolerance"]
        largest[row["quantity"]] = max(ratio, largest.get(row["quantity"], 0.0))
    return largest
