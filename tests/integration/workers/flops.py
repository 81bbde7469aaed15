"""The floating-point operations that PyTorch counts in a training and an inference step."""

import keras
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from integration.results import FlopCounts
from vitbench.config.schema import Config
from vitbench.models.flops import flops_per_image
from vitbench.models.registry import build_model

MANIFEST = {
    "image_shape": [32, 32, 3],
    "class_names": [str(i) for i in range(100)],
    "normalization": {"mean": [120.0] * 3, "variance": [4000.0] * 3},
}
IMAGES = 2


def count_flops(model: str, changes: dict) -> FlopCounts:
    """Of `model` with its default parameters and these changes."""
    config = Config.model_validate({"models": {model: changes}})
    classifier = build_model(model, config.models.parameters()[model], MANIFEST).classifier
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(IMAGES, 72, 72, 3)).astype(np.float32))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with FlopCounterMode(display=False) as inference, torch.no_grad():
        classifier(images, training=False)
    with FlopCounterMode(display=False) as training:
        loss(torch.tensor([0, 1]), classifier(images, training=True)).backward()
    return FlopCounts(
        torch={"infer": counted_per_image(inference, model), "train": counted_per_image(training, model)},
        formula=flops_per_image(classifier),
    )


def counted_per_image(counter: FlopCounterMode, model: str) -> float:
    """Leaves out the convolutions of the ViT, which has none: on PyTorch, Keras cuts patches with a convolution."""
    counts = {str(operation): count for operation, count in counter.get_flop_counts()["Global"].items()}
    return sum(n for operation, n in counts.items() if model != "vit" or "convolution" not in operation) / IMAGES
