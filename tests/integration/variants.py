"""The models that are compared between backends and with NumPy, their weights and their images."""

import zlib

import numpy as np

from vitbench.config.models import ResNet50V2, ViT

MANIFEST = {
    "image_shape": [32, 32, 3],
    "class_names": [str(i) for i in range(100)],
    "normalization": {"mean": [129.0, 124.0, 112.0], "variance": [4650.0, 4280.0, 4970.0]},
}
SMALL = {
    **{"image_size": 24, "patch_size": 6, "projection_dim": 16, "num_heads": 2, "layers": 2},
    **{"block_units": [32, 16], "head_units": [24, 20]},
}
CHANGES = {
    "small": {},
    "average": {"pooling": "average"},
    "image size": {"image_size": 36},
    "patch size": {"patch_size": 8},
    "projection width": {"projection_dim": 12, "block_units": [32, 12]},
    "heads": {"num_heads": 3},
    "key width": {"key_dim": 5},
    "split key width": {"num_heads": 4, "key_dim": "split"},
    "layers": {"layers": 3},
    "block widths": {"block_units": [20, 24, 16]},
    "one head layer": {"head_units": [9]},
    "no head layer": {"head_units": []},
    "dropouts": {"attention_dropout": 0.3, "mlp_dropout": 0.4, "head_dropout": 0.2},
    "no dropout": {"attention_dropout": 0, "mlp_dropout": 0, "head_dropout": 0},
    "epsilon": {"epsilon": 0.5},
    "no augmentation": {"augmentation": None},
}
VITS = {"full size": ViT()} | {name: ViT(**SMALL | change) for name, change in CHANGES.items()}
RESNET = "resnet50v2"
PAIRED = ("full size", RESNET)  # whose weight files every backend loads from every other


def parameters(variant: str) -> ViT | ResNet50V2:
    return ResNet50V2(image_size=32) if variant == RESNET else VITS[variant]


def images() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (3, *MANIFEST["image_shape"]), np.uint8)


def weight(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32: drawn for a variable by its path alone; no bias is zero, no scale is one."""
    random = np.random.default_rng(zlib.crc32(path.encode()))
    drawn = random.normal(size=shape)
    if path.endswith(("gamma", "variance")):
        drawn = 1 + 0.3 * np.tanh(drawn)
    elif path.endswith("kernel"):
        drawn *= np.prod(shape[:-1], dtype=float) ** -0.5 if len(shape) != 3 else shape[0] ** -0.5
    else:
        drawn *= 0.3
    return drawn.astype(np.float32)
