"""Training in mixed_bfloat16 on one backend: KERAS_BACKEND=… python -m integration.bfloat16_worker FOLDER"""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np

from integration.native_worker import MANIFEST, NORMALIZATION, SMALL
from vitbench.backends.plan import Plan
from vitbench.backends.process import start_backend
from vitbench.config.models import ViT
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.models.native.registry import Settings, build_native
from vitbench.models.registry import ModelParts, build_model
from vitbench.parity.reference import reference_quantities

BACKEND = os.environ["KERAS_BACKEND"]
P = ViT.model_validate(SMALL | {"head_dropout": 0.0})  # which on so few units doubles the loss


def batches() -> Batches:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (16, 32, 32, 3), np.uint8), random.integers(0, 10, 16).astype(np.int32)
    return Batches(images, labels, 8, seed=0, steps=2)


def parts() -> ModelParts:
    keras.utils.set_random_seed(3)
    return build_model("vit", P, MANIFEST)


def by_keras(augmentation: str) -> dict:
    """One epoch; and the loss before it, in evaluation, whose images nothing augments."""
    plan, ours = Plan(jit_compile=BACKEND == "jax", augmentation=augmentation), parts()
    model = assemble(ours, plan, keras.optimizers.AdamW(1e-3))
    before = model.evaluate(batches().with_steps(steps=1), verbose=0)[0]
    trained = model.fit(build_input_pipeline(batches(), plan, ours).fit_input(), verbose=0).history
    logits = model.predict(batches(), verbose=0)
    return {
        "before": before,
        "history": {name: values[0] for name, values in trained.items()},
        "classifier": ours.classifier.get_layer("logits").compute_dtype,
        "weights": sorted({weight.dtype for weight in model.trainable_weights}),
        "images": [layer.compute_dtype for layer in (*ours.preprocessing, *ours.augmentation)],
        "logits": [str(logits.dtype), bool(np.isfinite(logits).all())],
    }


def natively() -> dict:
    """The losses of two steps; and how far what augments the images, on torch, is from what does in float32."""
    ours = batches()
    model = build_native(
        BACKEND, P, NORMALIZATION, parts().trainable_weights(), Settings(1e-3, 1e-4, "mixed_bfloat16", compiled=False)
    )
    found = {"losses": [float(model.train(*ours[step])) for step in range(len(ours))]}
    if BACKEND == "torch":
        import torch

        seen = []
        model.model.projection.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
        for model.mixed in (True, False):
            torch.manual_seed(0)
            model.train(*ours[0])
        found["patches"] = float((seen[0].float() - seen[1]).abs().max())
    return found


if __name__ == "__main__":
    start_backend(BACKEND, "mixed_bfloat16", "cpu")
    found = {"keras": {how: by_keras(how) for how in ("layers", "sampler", "outside")}}
    found["float32"] = float(
        reference_quantities(*batches()[0], parts().trainable_weights(), NORMALIZATION, P)["loss"][0]
    )
    if BACKEND != "tensorflow":
        found["native"] = natively()
    Path(sys.argv[1], f"{BACKEND}.json").write_text(json.dumps(found))
