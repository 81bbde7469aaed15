"""How near the model without Keras is to that with it: KERAS_BACKEND=… python -m integration.native_worker FOLDER"""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np

from vitbench.backends.plan import Plan
from vitbench.backends.process import start_backend
from vitbench.config.models import ViT
from vitbench.config.parity import Tolerances
from vitbench.data.batches import Batches
from vitbench.models.native.registry import Settings
from vitbench.models.registry import build_model
from vitbench.parity.native import collect_native_quantities
from vitbench.parity.quantities import OPTIMIZER, collect_quantities, make_deterministic
from vitbench.parity.reference import directional_slope, reference_quantities
from vitbench.parity.tolerance import compare_quantities

BACKEND = os.environ["KERAS_BACKEND"]
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
VARIANTS = {
    "the example's form": SMALL,
    "average pooling, split heads": SMALL | {"pooling": "average", "key_dim": "split", "patch_size": 4},
}


def used(parameters: dict, **changes) -> dict[str, float]:
    """By quantity, the largest difference ÷ its tolerance; `changes` are made to the native model alone."""
    keras.utils.set_random_seed(3)
    p = ViT.model_validate(parameters)
    parts = build_model("vit", p, MANIFEST)
    weights = parts.trainable_weights()
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (64, 32, 32, 3), np.uint8), random.integers(0, 10, 64).astype(np.int32)
    batches = Batches(images, labels, 16, seed=0, steps=20)
    settings = Settings(OPTIMIZER["learning_rate"], OPTIMIZER["weight_decay"])
    changed = p.model_copy(update=changes)
    found = collect_native_quantities(BACKEND, changed, NORMALIZATION, weights, settings, batches)
    found["slope"] = directional_slope(found)
    by_numpy = reference_quantities(*batches[0], weights, NORMALIZATION, p)
    by_keras = collect_quantities(make_deterministic(parts), Plan(jit_compile=False), batches)
    rows = compare_quantities(found, by_keras | by_numpy, Tolerances())
    largest: dict[str, float] = {}
    for row in rows:
        share = row["max_rel_difference"] / row["tolerance"]
        largest[row["quantity"]] = max(share, largest.get(row["quantity"], 0.0))
    return largest


if __name__ == "__main__":
    start_backend(BACKEND, "float32", "cpu")
    of_each = {name: used(parameters) for name, parameters in VARIANTS.items()}
    of_each["another epsilon"] = used(SMALL, epsilon=1e-3)
    Path(sys.argv[1], f"{BACKEND}.json").write_text(json.dumps(of_each))
