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
    "image_size": 24,
    "patch_size": 6,
    "projection_dim": 16,
    "num_heads": 2,
    "layers": 2,
    "block_units": [32, 16],
    "head_units": [24, 20],
}
# Every option of the ViT, changed alone.
OPTIONS: dict[str, dict] = {
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
# The options are combined, because each model takes seconds to build and compile. Together they contain every option.
COMBINATIONS: dict[str, list[str]] = {
    "small": [],
    "average, heads, key width, dropouts": ["average", "heads", "key width", "dropouts"],
    "image size, split key width, layers": ["image size", "split key width", "layers"],
    "patch size, projection width, one head layer": ["patch size", "projection width", "one head layer"],
    "block widths, no head layer, epsilon": ["block widths", "no head layer", "epsilon"],
    "no dropout, no augmentation": ["no dropout", "no augmentation"],
}
FULL_SIZE = "full size"


def small_vit(*options: str) -> ViT:
    """The small ViT with these options changed."""
    parameters = dict(SMALL)
    for option in options:
        parameters |= OPTIONS[option]
    return ViT.model_validate(parameters)


VITS = {FULL_SIZE: ViT()} | {name: small_vit(*options) for name, options in COMBINATIONS.items()}
RESNET = "resnet50v2"
SAVED = (FULL_SIZE, RESNET)  # every backend loads the weights that every other one has saved


def parameters(variant: str) -> ViT | ResNet50V2:
    return ResNet50V2(image_size=32) if variant == RESNET else VITS[variant]


def make_images() -> np.ndarray:
    """uint8 (3, 32, 32, 3)."""
    return np.random.default_rng(7).integers(0, 256, (3, *MANIFEST["image_shape"]), np.uint8)


def draw_weight(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 `shape`, random numbers that depend on `path` only. No bias is zero, and no scale is one."""
    random = np.random.default_rng(zlib.crc32(path.encode()))
    values = random.normal(size=shape)
    if path.endswith(("gamma", "variance")):
        values = 1 + 0.3 * np.tanh(values)
    elif path.endswith("kernel"):
        values *= np.prod(shape[:-1], dtype=float) ** -0.5 if len(shape) != 3 else shape[0] ** -0.5
    else:
        values *= 0.3
    return values.astype(np.float32)


def draw_vit_weights(p: ViT, classes: int) -> dict[str, np.ndarray]:
    """Every weight of a ViT by its path, with shapes that follow from the parameters alone."""
    return {path: draw_weight(path, shape) for path, shape in vit_shapes(p, classes).items()}


def vit_shapes(p: ViT, classes: int) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a ViT by its path, worked out from the description of the model."""
    width, heads = p.projection_dim, p.num_heads
    key_width = {None: width, "split": width // heads}.get(p.key_dim, p.key_dim)
    tokens = (p.image_size // p.patch_size) ** 2
    shapes: dict[str, tuple[int, ...]] = {
        "patch_encoder/projection/kernel": (p.patch_size**2 * 3, width),
        "patch_encoder/projection/bias": (width,),
        "patch_encoder/position_embedding/embeddings": (tokens, width),
        "final_norm/gamma": (width,),
        "final_norm/beta": (width,),
    }
    for block in range(p.layers):
        for norm in ("norm1", "norm2"):
            shapes[f"block{block}_{norm}/gamma"] = shapes[f"block{block}_{norm}/beta"] = (width,)
        for role in ("query", "key", "value"):
            shapes[f"block{block}_attention/{role}/kernel"] = (width, heads, key_width)
            shapes[f"block{block}_attention/{role}/bias"] = (heads, key_width)
        shapes[f"block{block}_attention/attention_output/kernel"] = (heads, key_width, width)
        shapes[f"block{block}_attention/attention_output/bias"] = (width,)
        shapes |= _dense_shapes(f"block{block}_mlp_dense", width, p.block_units)
    features = tokens * width if p.pooling == "flatten" else width
    shapes |= _dense_shapes("head_dense", features, p.head_units)
    last = p.head_units[-1] if p.head_units else features
    return shapes | {"logits/kernel": (last, classes), "logits/bias": (classes,)}


def _dense_shapes(name: str, inputs: int, widths: list[int]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (first, last) in enumerate(zip([inputs, *widths], widths, strict=False)):
        shapes[f"{name}{i}/kernel"] = (first, last)
        shapes[f"{name}{i}/bias"] = (last,)
    return shapes
