"""Training in mixed_bfloat16 on one backend, with every way to augment."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from integration.results import Bfloat16Result, Bfloat16Training, NativeBfloat16Training
from integration.workers.native_model import MANIFEST, NORMALIZATION, SMALL
from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.config.models import ViT
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.models.native.registry import Settings, build_native
from vitbench.models.registry import ModelParts, build_model
from vitbench.parity.reference import reference_quantities

# With so few units, dropout in the head would double the loss.
PARAMETERS = ViT.model_validate(SMALL | {"layers": 1, "head_dropout": 0.0})
PRECISION = "mixed_bfloat16"


def train() -> Bfloat16Result:
    with mixed_bfloat16():
        weights = build_parts().trainable_weights()
        reference = reference_quantities(*make_batches()[0], weights, NORMALIZATION, PARAMETERS)
        return Bfloat16Result(
            keras={how: train_keras(how) for how in ("layers", "sampler", "outside")},
            float32_loss=float(reference["loss"][0]),
            native=train_native() if current_backend().has_native_vit else None,
        )


@contextmanager
def mixed_bfloat16() -> Iterator[None]:
    """What `start_backend` sets for mixed_bfloat16, for a while."""
    backend = current_backend()
    keras.config.set_dtype_policy(PRECISION)
    backend.set_precision(PRECISION)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")
        backend.set_precision("float32")


def make_batches() -> Batches:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (16, 32, 32, 3), np.uint8), random.integers(0, 10, 16).astype(np.int32)
    return Batches(images, labels, 8, seed=0, steps=2)


def build_parts() -> ModelParts:
    keras.utils.set_random_seed(3)
    return build_model("vit", PARAMETERS, MANIFEST)


def train_keras(augmentation: str) -> Bfloat16Training:
    plan, parts = Plan(jit_compile=current_backend().name == "jax", augmentation=augmentation), build_parts()
    model = assemble(parts, plan, keras.optimizers.AdamW(1e-3))
    loss_before = model.evaluate(make_batches().with_steps(steps=1), verbose=0)[0]
    history = model.fit(build_input_pipeline(make_batches(), plan, parts).fit_input(), verbose=0).history
    logits = model.predict(make_batches(), verbose=0) if augmentation == "layers" else None
    return Bfloat16Training(
        loss_before=loss_before,
        history={name: values[0] for name, values in history.items()},
        classifier_dtype=parts.classifier.get_layer("logits").compute_dtype,
        weight_dtypes={weight.dtype for weight in model.trainable_weights},
        image_dtypes=[layer.compute_dtype for layer in (*parts.preprocessing, *parts.augmentation)],
        logits=logits,
    )


def train_native() -> NativeBfloat16Training:
    backend, batches = current_backend().name, make_batches()
    settings = Settings(1e-3, 1e-4, PRECISION, compiled=False)
    model = build_native(backend, PARAMETERS, NORMALIZATION, build_parts().trainable_weights(), settings)
    losses = [float(model.train(*batches[step])) for step in range(len(batches))]
    patch_difference = compare_patches(model, batches) if backend == "torch" else None
    return NativeBfloat16Training(losses, patch_difference)


def compare_patches(model, batches: Batches) -> float:
    """The largest difference between the augmented patches in mixed_bfloat16 and in float32, on PyTorch."""
    import torch

    patches = []
    model.model.projection.register_forward_pre_hook(lambda _, arguments: patches.append(arguments[0].detach()))
    for model.mixed in (True, False):
        torch.manual_seed(0)
        model.train(*batches[0])
    return float((patches[0].float() - patches[1]).abs().max())
