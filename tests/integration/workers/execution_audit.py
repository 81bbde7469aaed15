"""What the execution audit reports, and refuses, on one backend."""

from unittest.mock import patch

import keras
import numpy as np

from integration.results import AuditedStep
from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.backends.process import current_backend
from vitbench.config.models import ViT
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import NotAsPlannedError, audit_model, check_execution
from vitbench.measure import timing
from vitbench.measure.timing import time_first_step, time_train_blocks
from vitbench.models.registry import ModelParts, build_model

MANIFEST = {
    "image_shape": [8, 8, 3],
    "class_names": ["a", "b", "c"],
    "normalization": {"mean": [128.0] * 3, "variance": [5000.0] * 3},
}
TINY = {
    "image_size": 8,
    "patch_size": 4,
    "projection_dim": 4,
    "num_heads": 1,
    "layers": 1,
    "block_units": [4],
    "head_units": [4],
    "augmentation": None,
}


def audit_compiled_and_plain_steps() -> dict[bool, AuditedStep]:
    """The audit after a step of a plan with and without jit_compile, by jit_compile.

    torch.compile needs minutes and a C++ compiler, so on PyTorch there is no compiled step.
    """
    return {jit: audit_after_step(assemble_tiny(Plan(jit_compile=jit))) for jit in compiler_choices()}


def audit_published() -> dict[str, dict]:
    """The audit of a model that contains the example's augmentation, and of one whose attention has no dropout."""
    augmented = assemble_tiny(PUBLISHED, augmentation={})
    time_first_step(augmented, make_batches())
    without_dropout = assemble_tiny(PUBLISHED, attention_dropout=0)
    time_first_step(without_dropout, make_batches())
    return {"augmented": audit_model(augmented), "without attention dropout": audit_model(without_dropout)}


def read_tf32_settings() -> list[tuple[str, bool]]:
    """What the audit says of TF32 on torch, as set by vitbench, and then by a model through the newer interface."""
    import torch

    settings = []
    for precision in ("float32", "tf32"):
        current_backend().set_precision(precision)
        settings.append((current_backend().matmul_precision(), current_backend().allows_tf32()))
    for operator, precision in ((torch.backends.cuda.matmul, "ieee"), (torch.backends.cudnn.conv, "ieee")):
        operator.fp32_precision = precision
        settings.append((current_backend().matmul_precision(), current_backend().allows_tf32()))
    torch.backends.cudnn.rnn.fp32_precision = "ieee"
    settings.append((current_backend().matmul_precision(), current_backend().allows_tf32()))
    return settings


def assemble_twice() -> list[bool]:
    """Whether the model is compiled: of a plan that compiles, and then of the published plan with the same parts."""
    parts = build_model("vit", ViT.model_validate(TINY | {"augmentation": {}}), MANIFEST)
    return [assemble_parts(parts, plan).jit_compile for plan in (Plan(jit_compile=True), PUBLISHED)]


def run_with_the_compiler_off() -> AuditedStep:
    """The audit of a plan that compiles, in a process in which the compiler has been switched off."""
    if current_backend().name == "tensorflow":  # the others read an environment variable
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
    return audit_after_step(assemble_tiny(Plan(jit_compile=True)))


def time_steps(change_dtype: bool) -> str | None:
    """Times steps; with `change_dtype`, on images whose dtype changes after the warm-up. Returns the error, if any."""
    backend = current_backend().name
    model = assemble_tiny(PUBLISHED if backend == "tensorflow" else Plan(jit_compile=backend == "jax"))
    batches = make_batches()
    timing.warm_up(model, batches, limit_seconds=0)
    if change_dtype:
        batches.images = batches.images.astype(np.float32)
    return error_of(time_train_blocks, model, batches, blocks=3)


def check_weights_beside_a_gpu() -> str | None:
    """The error for weights on the CPU if the backend reports a GPU as its device."""
    model = assemble_tiny(PUBLISHED)
    time_first_step(model, make_batches())
    with patch.object(current_backend(), "device", lambda: {"type": "gpu"}):
        return error_of(check_execution, model)


def compiler_choices() -> tuple[bool, ...]:
    return (False,) if current_backend().name == "torch" else (False, True)


def make_batches() -> Batches:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (8, 8, 8, 3), np.uint8), random.integers(0, 3, 8).astype(np.int32)
    return Batches(images, labels, batch_size=4)


def assemble_tiny(plan: Plan, **changes) -> keras.Model:
    return assemble_parts(build_model("vit", ViT.model_validate(TINY | changes), MANIFEST), plan)


def assemble_parts(parts: ModelParts, plan: Plan) -> keras.Model:
    return assemble(parts, plan, keras.optimizers.SGD())


def audit_after_step(model: keras.Model) -> AuditedStep:
    time_first_step(model, make_batches())
    return AuditedStep(audit_model(model), error_of(check_execution, model))


def error_of(function, *arguments, **options) -> str | None:
    """The message of the NotAsPlannedError that `function` raises; None if it raises none."""
    try:
        function(*arguments, **options)
    except NotAsPlannedError as error:
        return str(error)
    return None
