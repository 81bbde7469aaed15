"""The reference: the forward pass of the Vision Transformer in NumPy, float64.

It is written from the description, not from the Keras code, and shares no code with the rest of the package.

Description: K. Salama, "Image classification with Vision Transformer", 2021, after Dosovitskiy et al. 2020
(arXiv:2010.11929); attention after Vaswani et al. 2017 (arXiv:1706.03762), eq. 1; GELU after Hendrycks & Gimpel 2016
(arXiv:1606.08415), eq. 2. Images have shape (batch, height, width, 3). In einsum, b, n, d, h and k are the batch, the
tokens, the width of a token, the heads and the width of a head.
"""

import zlib

import numpy as np
from scipy.special import erf, logsumexp

STEP = 1e-5  # of the central difference, in standard deviations of the direction; the error is of order STEP²


def reference_quantities(
    images: np.ndarray, labels: np.ndarray, weights: dict[str, np.ndarray], normalization: dict, p
) -> dict:
    """`logits`, `loss` and `slope`, the derivative of the loss along `random_direction` by a central difference.

    p: the parameters of the Vision Transformer.
    """

    def loss_at(step: float) -> float:
        moved = {name: value + step * random_direction(name, value.shape) for name, value in weights.items()}
        return cross_entropy(reference_logits(images, moved, normalization, p), labels)

    logits = reference_logits(images, weights, normalization, p)
    slope = (loss_at(STEP) - loss_at(-STEP)) / (2 * STEP)
    return {"logits": logits, "loss": np.array([cross_entropy(logits, labels)]), "slope": np.array([slope])}


def directional_slope(quantities: dict[str, np.ndarray]) -> np.ndarray:
    """float64 (1,): the derivative of a loss along `random_direction`, from the gradients in `quantities`."""
    gradients = {
        name.partition("/")[2]: gradient.astype(np.float64)
        for name, gradient in quantities.items()
        if name.startswith("gradient/")
    }
    return np.array(
        [sum(np.vdot(gradient, random_direction(path, gradient.shape)) for path, gradient in gradients.items())]
    )


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross-entropy of logits (batch, classes) with labels (batch,)."""
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]))


def random_direction(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """float64: standard normal values that depend only on the path and the shape of the weight."""
    return np.random.default_rng(zlib.crc32(path.encode())).normal(size=shape)


def reference_logits(images: np.ndarray, weights: dict[str, np.ndarray], normalization: dict, p) -> np.ndarray:
    """float64 (batch, classes) from raw images, 0–255. weights: by the path of the weight in the Keras model."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def norm(x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + p.epsilon) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def attention(x, name):
        def projected(role):
            return (
                np.einsum("bnd,dhk->bhnk", x, weights[f"{name}/{role}/kernel"])
                + (weights[f"{name}/{role}/bias"][None, :, None, :])
            )

        queries, keys, values = (projected(role) for role in ("query", "key", "value"))
        scores = queries @ keys.transpose(0, 1, 3, 2) / np.sqrt(queries.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        heads = shares @ values
        out = np.einsum("bhnk,hkd->bnd", heads, weights[f"{name}/attention_output/kernel"])
        return out + weights[f"{name}/attention_output/bias"]

    def mlp(x, widths, name):
        for i in range(len(widths)):
            x = gelu(dense(x, f"{name}_dense{i}"))
        return x

    x = images.astype(np.float64)
    x = (x - np.array(normalization["mean"])) / np.sqrt(np.array(normalization["variance"]))
    x = extract_patches(resize(x, p.image_size), p.patch_size)
    tokens = dense(x, "patch_encoder/projection") + weights["patch_encoder/position_embedding/embeddings"]
    for block in range(p.layers):
        tokens = tokens + attention(norm(tokens, f"block{block}_norm1"), f"block{block}_attention")
        tokens = tokens + mlp(norm(tokens, f"block{block}_norm2"), p.block_units, f"block{block}_mlp")
    tokens = norm(tokens, "final_norm")
    features = tokens.reshape(len(tokens), -1) if p.pooling == "flatten" else tokens.mean(axis=1)
    return dense(mlp(features, p.head_units, "head"), "logits")


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + erf(x / np.sqrt(2))) / 2


def extract_patches(images: np.ndarray, size: int) -> np.ndarray:
    """(b, H, W, c) to (b, H/size · W/size, size · size · c): patches row by row, and in each its pixels row by row."""
    rows, columns = images.shape[1] // size, images.shape[2] // size
    cut = [
        images[:, r * size : (r + 1) * size, c * size : (c + 1) * size].reshape(len(images), -1)
        for r in range(rows)
        for c in range(columns)
    ]
    return np.stack(cut, axis=1)


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """(b, H, W, c) to (b, size, size, c): bilinear, half-pixel centres, repeated edges, no antialiasing."""
    for axis in (1, 2):
        n = images.shape[axis]
        position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(position).astype(int)
        weight = (position - low).reshape([-1 if i == axis else 1 for i in range(4)])
        high = np.minimum(low + 1, n - 1)
        images = np.take(images, low, axis) * (1 - weight) + np.take(images, high, axis) * weight
    return images
