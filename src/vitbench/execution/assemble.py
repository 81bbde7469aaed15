"""Assembles the parts of a model into the compiled Keras model that a plan describes."""

import keras

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.execution.affine import use_affine_sampler
from vitbench.execution.audit import NotAsPlannedError
from vitbench.models.registry import ModelParts


def assemble(parts: ModelParts, plan: Plan, optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """The compiled model from raw images (batch, H, W, 3), 0–255, to float32 logits (batch, classes).

    If `plan` augments outside the model, the training images arrive resized already; the model accepts both sizes.
    Raises NotAsPlannedError if Keras does not accept jit_compile=True, CompilerError if there is no compiler for it.
    """
    shape = (None, None, 3) if plan.augmentation == "outside" else parts.input_shape
    x = images = keras.Input(shape, name="raw_images")
    for layer in (*parts.preprocessing, *_augmentation_layers(parts, plan)):
        x = layer(x)
    logits = parts.classifier(x)
    if logits.dtype != "float32":  # loss and metrics are computed in float32 at every precision
        logits = keras.layers.Activation("linear", dtype="float32", name="logits_in_float32")(logits)
    model = keras.Model(images, logits, name=f"{parts.classifier.name}_on_raw_images")
    classes = model.output_shape[-1]
    layers_without_jit = [layer for layer in model._flatten_layers() if not layer.supports_jit]
    model.layers_without_jit = tuple(sorted({layer.name for layer in layers_without_jit}))
    if plan.jit_compile is True:
        current_backend().check_compiler()
        for layer in layers_without_jit:
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
    for layer in layers_without_jit:
        layer.supports_jit = False  # so that the same parts can be assembled again by another plan
    if plan.jit_compile is True and not model.jit_compile:
        raise NotAsPlannedError("the plan says jit_compile=True, but Keras turned it off")
    if plan.cuda_graph:
        current_backend().capture_steps(model)
    return model


def _augmentation_layers(parts: ModelParts, plan: Plan) -> list[keras.layers.Layer]:
    """The augmentation layers that belong to the model under `plan`."""
    if plan.augmentation == "layers":
        return parts.augmentation
    if plan.augmentation == "outside":
        return []
    pairs = zip(parts.build_augmentation(), parts.augmentation, strict=True)
    return [use_affine_sampler(copy, original) for copy, original in pairs]


def resolve_plan(plan: Plan, parts: ModelParts) -> Plan:
    """The plan that remains of `plan` in deterministic mode, without augmentation and with "auto" resolved by Keras.

    Two plans with the same result compute the same numbers.
    """
    jit_compile = bool(assemble(parts, plan, keras.optimizers.SGD()).jit_compile)
    outside = plan.augmentation == "outside" and parts.augmentation
    return Plan(jit_compile, "outside" if outside else "layers", cuda_graph=plan.cuda_graph)
