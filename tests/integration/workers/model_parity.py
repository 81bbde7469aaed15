"""The logits of each model variant, and weights that one backend saves and another loads."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from integration import model_variants as variants
from integration.results import LoadedWeights, ModelOutputs
from vitbench.backends.plan import PUBLISHED
from vitbench.backends.process import current_backend
from vitbench.execution.assemble import assemble
from vitbench.models.registry import ModelParts, build_model


def save_weights(folder: Path) -> ModelOutputs:
    """Computes every variant with its drawn weights, and saves the weights of some of them to `folder`."""
    logits, logits_of_copy, trainable_weights = {}, {}, 0
    for variant in [*variants.VITS, variants.RESNET]:
        parts = build_variant(variant)
        for variable in drawn_variables(parts):
            variable.assign(variants.draw_weight(variable.path, tuple(variable.shape)))
        logits[variant] = compute_logits(assemble_published(parts))
        if variant in variants.VITS:
            copy = keras.Model.from_config(parts.classifier.get_config())
            copy.set_weights(parts.classifier.get_weights())
            logits_of_copy[variant] = compute_logits(assemble_published(replace(parts, classifier=copy)))
        if variant in variants.SAVED:
            parts.classifier.save_weights(weights_file(folder, current_backend().name, variant))
        if variant == variants.FULL_SIZE:
            trainable_weights = sum(int(np.prod(weight.shape)) for weight in parts.classifier.trainable_weights)
        keras.backend.clear_session()
    return ModelOutputs(logits, logits_of_copy, trainable_weights)


def load_weights(folder: Path, writers: list[str]) -> dict[tuple[str, str], LoadedWeights]:
    """The models with the weights that each backend has saved to `folder`, by (writer, variant)."""
    loaded = {}
    for variant in variants.SAVED:
        parts = build_variant(variant)
        model, variables = assemble_published(parts), drawn_variables(parts)
        expected = [variants.draw_weight(variable.path, tuple(variable.shape)) for variable in variables]
        for writer in writers:
            parts.classifier.load_weights(weights_file(folder, writer, variant))
            values = [keras.ops.convert_to_numpy(variable) for variable in variables]
            exact = all(np.array_equal(a, b) for a, b in zip(values, expected, strict=True))
            loaded[writer, variant] = LoadedWeights(compute_logits(model), exact)
    return loaded


def weights_file(folder: Path, writer: str, variant: str) -> Path:
    return folder / f"{writer}-{variant}.weights.h5"


def build_variant(variant: str) -> ModelParts:
    name = variants.RESNET if variant == variants.RESNET else "vit"
    return build_model(name, variants.parameters(variant), variants.MANIFEST)


def drawn_variables(parts: ModelParts) -> list[keras.Variable]:
    return [variable for variable in parts.classifier.weights if "seed_generator" not in variable.path]


def assemble_published(parts: ModelParts) -> keras.Model:
    return assemble(parts, PUBLISHED, keras.optimizers.SGD())


def compute_logits(model: keras.Model) -> np.ndarray:
    return np.asarray(model.predict_on_batch(variants.make_images()), np.float32)
