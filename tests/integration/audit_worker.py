"""What the audit finds on one backend: KERAS_BACKEND=… python -m integration.audit_worker FOLDER SCENARIO…"""

import json
import os
import sys
from pathlib import Path
from unittest.mock import patch

import keras
import numpy as np

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.backends.process import current_backend, start_backend
from vitbench.config.models import ViT
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import NotAsPlannedError, audit_model, check_execution
from vitbench.measure import timing
from vitbench.measure.timing import time_first_step, time_train_blocks
from vitbench.models.registry import ModelParts, build_model

BACKEND = os.environ["KERAS_BACKEND"]
MANIFEST = {
    **{"image_shape": [8, 8, 3], "class_names": ["a", "b", "c"]},
    "normalization": {"mean": [128.0] * 3, "variance": [5000.0] * 3},
}
TINY = {
    **{"image_size": 8, "patch_size": 4, "projection_dim": 4, "num_heads": 1, "layers": 1},
    **{"block_units": [4], "head_units": [4]},
}


def batches() -> Batches:
    random = np.random.default_rng(0)
    return Batches(random.integers(0, 256, (8, 8, 8, 3), np.uint8), random.integers(0, 3, 8).astype(np.int32), 4)


def assembled(plan: Plan, parts: ModelParts | None = None, **changes) -> keras.Model:
    parts = parts or build_model("vit", ViT(**TINY | {"augmentation": None} | changes), MANIFEST)
    return assemble(parts, plan, keras.optimizers.SGD())


def refused(action, *arguments, **options) -> str | None:
    """What NotAsPlannedError says; None if it is not raised."""
    try:
        action(*arguments, **options)
    except NotAsPlannedError as error:
        return str(error)
    return None


def compiled_or_not() -> dict:
    """The audit after a step of each plan, and what `check` says of it."""
    found = {}
    # torch.compile needs minutes and a C++ compiler here, and is asked for in `switched_off` alone.
    for jit in (False, True) if BACKEND != "torch" else (False,):
        model = assembled(Plan(jit_compile=jit))
        time_first_step(model, batches())
        found[str(jit)] = {"audit": audit_model(model), "refused": refused(check_execution, model)}
    return found


def as_published() -> dict:
    """The audit of a model that holds the example's augmentation, and of one whose attention has no dropout."""
    model = assembled(PUBLISHED, augmentation={})
    time_first_step(model, batches())
    fused = assembled(PUBLISHED, attention_dropout=0)
    time_first_step(fused, batches())
    return {"audit": audit_model(model), "without dropout": audit_model(fused)}


def overruled_and_not() -> dict:
    """Whether parts that were assembled to be compiled are afterwards assembled as published all the same."""
    parts = build_model("vit", ViT(**TINY), MANIFEST)
    return {str(plan.jit_compile): assembled(plan, parts).jit_compile for plan in (Plan(jit_compile=True), PUBLISHED)}


def switched_off() -> dict:
    """A plan that says jit, where something outside turns it off without a word."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
    model = assembled(Plan(jit_compile=True))
    time_first_step(model, batches())
    return {"refused": refused(check_execution, model), "audit": audit_model(model)}


def changed_while_timed() -> dict:
    """Timing of steps whose images change their type after the warm-up, and of steps that do not."""
    model = assembled(PUBLISHED if BACKEND == "tensorflow" else Plan(jit_compile=BACKEND != "torch"))
    found = {}
    for changes in (False, True):
        ours = batches()
        timing.warm_up(model, ours, limit_seconds=0)
        if changes:
            ours.images = ours.images.astype(np.float32)
        found[f"changes: {changes}"] = refused(time_train_blocks, model, ours, blocks=3)
    return found


def elsewhere() -> dict:
    """Weights on the CPU, where the device is said to be a GPU."""
    model = assembled(PUBLISHED)
    time_first_step(model, batches())
    with patch.object(current_backend(), "device", lambda: {"type": "gpu"}):
        return {"refused": refused(check_execution, model)}


if __name__ == "__main__":
    start_backend(BACKEND, "float32", "cpu")
    found = {scenario: globals()[scenario]() for scenario in sys.argv[2:]}
    path = Path(sys.argv[1], f"{BACKEND}-{sys.argv[2]}.json")
    path.write_text(json.dumps(found))
