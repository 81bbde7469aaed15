"""The products that torch counts in a training and an inference step: python -m integration.flops_worker FOLDER"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from vitbench.backends.process import start_backend
from vitbench.config.schema import Config
from vitbench.models.flops import flops_per_image
from vitbench.models.registry import build_model

CASES = {
    "vit": {},
    "vit, average pooling, split heads": {"pooling": "average", "key_dim": "split", "layers": 2},
    "resnet50v2": {},
}
CIFAR100 = {"image_shape": [32, 32, 3], "class_names": [str(i) for i in range(100)]}
CIFAR100 |= {"normalization": {"mean": [120.0] * 3, "variance": [4000.0] * 3}}
IMAGES = 2


def counted(name: str, changes: dict) -> dict:
    model = name.split(",")[0]
    config = Config.model_validate({"models": {model: changes}})
    classifier = build_model(model, config.models.parameters()[model], CIFAR100).classifier
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(IMAGES, 72, 72, 3)).astype(np.float32))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with FlopCounterMode(display=False) as infer, torch.no_grad():
        classifier(images, training=False)
    with FlopCounterMode(display=False) as train:
        loss(torch.tensor([0, 1]), classifier(images, training=True)).backward()
    by_torch = {"infer": counts(infer, model), "train": counts(train, model)}
    return {"torch": by_torch, "formula": flops_per_image(classifier)}


def counts(counter: FlopCounterMode, model: str) -> float:
    """Per image. Without the convolutions of the ViT, which has none: on torch Keras cuts patches by one with ones."""
    of_kind = {str(kind): count for kind, count in counter.get_flop_counts()["Global"].items()}
    return sum(count for kind, count in of_kind.items() if model != "vit" or "convolution" not in kind) / IMAGES


if __name__ == "__main__":
    start_backend("torch", "float32", "cpu")
    Path(sys.argv[1], "torch.json").write_text(json.dumps({name: counted(name, c) for name, c in CASES.items()}))
