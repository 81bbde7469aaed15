"""One phase on one backend: KERAS_BACKEND=… python -m integration.worker PHASE FOLDER"""

import os
import sys
from pathlib import Path

import keras
import numpy as np

from integration import variants
from vitbench.backends.plan import PUBLISHED
from vitbench.execution.assemble import assemble
from vitbench.models.registry import ModelParts, build_model


def save(folder: Path, backend: str) -> None:
    """The logits of each variant with the drawn weights and of a copy made from its config, and some weight files."""
    found = {}
    for variant in [*variants.VITS, variants.RESNET]:
        parts = built(variant)
        for variable in parts.classifier.weights:
            if "seed_generator" not in variable.path:
                variable.assign(variants.weight(variable.path, tuple(variable.shape)))
        found[variant] = logits(parts)
        if variant in variants.VITS:
            copy = keras.Model.from_config(parts.classifier.get_config())
            copy.set_weights(parts.classifier.get_weights())
            found[f"{variant}, copied"] = logits(ModelParts(**vars(parts) | {"classifier": copy}))
        if variant in variants.PAIRED:
            parts.classifier.save_weights(folder / f"{backend}-{variant}.weights.h5")
        if variant == "full size":
            found["trainable"] = np.array(sum(np.prod(w.shape) for w in parts.classifier.trainable_weights))
        keras.backend.clear_session()
    np.savez(folder / f"{backend}-saved.npz", **found)


def load(folder: Path, backend: str) -> None:
    """The logits with the weights that each backend saved."""
    found = {}
    for variant in variants.PAIRED:
        parts = built(variant)
        for writer in ("jax", "torch", "tensorflow"):
            parts.classifier.load_weights(folder / f"{writer}-{variant}.weights.h5")
            found[f"{writer}, {variant}"] = logits(parts)
            exact = [
                np.array_equal(keras.ops.convert_to_numpy(w), variants.weight(w.path, tuple(w.shape)))
                for w in parts.classifier.weights
                if "seed_generator" not in w.path
            ]
            found[f"{writer}, {variant}, exact"] = np.array(all(exact))
    np.savez(folder / f"{backend}-loaded.npz", **found)


def built(variant: str) -> ModelParts:
    name = variants.RESNET if variant == variants.RESNET else "vit"
    return build_model(name, variants.parameters(variant), variants.MANIFEST)


def logits(parts: ModelParts) -> np.ndarray:
    network = assemble(parts, PUBLISHED, keras.optimizers.SGD())
    return np.asarray(network.predict_on_batch(variants.images()), np.float32)


if __name__ == "__main__":
    {"save": save, "load": load}[sys.argv[1]](Path(sys.argv[2]), os.environ["KERAS_BACKEND"])
