"""Assembles the model that a plan describes from the parts of a model."""

from typing import TYPE_CHECKING

import keras

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.execution.affine import share_generator
from vitbench.execution.audit import NotAsPlannedError

if TYPE_CHECKING:
    from vitbench.models.registry import ModelParts


def assemble(parts: "ModelParts", plan: Plan, optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """The compiled model of raw images (batch, H, W, 3), 0–255, to logits in float32, executed as `plan` says.

    Where augmentation is outside, the training images come resized already; the model takes both.
    """
    shape = (None, None, 3) if plan.augmentation == "outside" else parts.input_shape
    x = images = keras.Input(shape, name="raw_images")
    for layer in (*parts.preprocessing, *_augmentation(parts, plan)):
        x = layer(x)
    logits = parts.classifier(x)
    if logits.dtype != "float32":  # the loss and the metrics are not computed in less
        logits = keras.layers.Activation("linear", dtype="float32", name="logits_in_float32")(logits)
    model = keras.Model(images, logits, name=f"{parts.classifier.name}_on_raw_images")
    classes = model.output_shape[-1]
    refusing = [layer for layer in model._flatten_layers() if not layer.supports_jit]
    model.layers_without_jit = tuple(sorted({layer.name for layer in refusing}))
    if plan.jit_compile is True:
        for layer in refusing:
            layer.supports_jit = True
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            keras.metrics.SparseTopKCategoricalAccuracy(min(5, classes), name="top5_accuracy"),
        ],
        jit_compile=plan.jit_compile,
        steps_per_execution=plan.steps_per_execution,
    )
    current_backend().watch_model(model)
    for layer in refusing:
        layer.supports_jit = False  # for what else is assembled from the same parts
    if plan.jit_compile is True and not model.jit_compile:
        raise NotAsPlannedError("the plan says jit_compile=True, but Keras turned it off")
    return model


def _augmentation(parts: "ModelParts", plan: Plan) -> list:
    """The augmentation that is in the model."""
    if plan.augmentation == "layers":
        return parts.augmentation
    if plan.augmentation == "outside":
        return []
    return [share_generator(*pair) for pair in zip(parts.augmentation, parts.twins(), strict=True)]


def resolve_plan(plan: Plan, parts: "ModelParts") -> Plan:
    """What decides the numbers that `plan` computes where nothing is left to chance, augmentation being off.

    Keras' own choice for `parts` stands in place of "auto".
    """
    jit_compile = bool(assemble(parts, plan, keras.optimizers.SGD()).jit_compile)
    outside = plan.augmentation == "outside" and parts.augmentation
    return Plan(jit_compile, "outside" if outside else "layers")
