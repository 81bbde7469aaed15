"""The Vision Transformer as one would write it in JAX alone: functions of a dict of weights, and one jitted step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random

from vitbench.config.models import Augmentation, ViT
from vitbench.models.native.registry import Settings, Weights

BETA_1, BETA_2 = 0.9, 0.999  # of AdamW


class JaxViT:
    """The native model on JAX; see NativeViT in `vitbench.models.native.registry` for its methods."""

    def __init__(self, p: ViT, normalization: dict, weights: Weights, settings: Settings):
        dtype = jnp.bfloat16 if settings.precision == "mixed_bfloat16" else jnp.float32
        mean = np.asarray(normalization["mean"], np.float32)
        deviation = np.sqrt(np.asarray(normalization["variance"], np.float32))
        preprocess_images = functools.partial(preprocess, p=p, mean=mean, deviation=deviation)
        self.weights = {name: jnp.array(value, jnp.float32) for name, value in weights.items()}
        self.moments: list | None = None  # allocated by the first step, since inference does not need them
        self.count, self.key = jnp.zeros((), jnp.int32), random.key(0)

        def loss(weights, images, labels, key):
            keys = Keys(key)
            images = preprocess_images(images)
            if p.augmentation:
                images = augment(images, p.augmentation, keys)
            outputs = logits(_cast(weights, dtype), images.astype(dtype), p, keys)
            log_probabilities = jax.nn.log_softmax(outputs.astype(jnp.float32))
            return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()

        def step(weights, moments, count, key, images, labels):
            key, step_key = random.split(key)
            value, gradients = jax.value_and_grad(loss)(weights, images, labels, step_key)
            weights, moments = adamw(weights, moments, gradients, count + 1, settings)
            return value, weights, moments, count + 1, key

        def infer(weights, images):
            return logits(_cast(weights, dtype), preprocess_images(images).astype(dtype), p, None)

        self._step = jax.jit(step, donate_argnums=(0, 1, 2, 3))
        self._gradients = jax.jit(jax.grad(loss))
        self._infer = jax.jit(infer)

    def train(self, images: np.ndarray, labels: np.ndarray) -> Array:
        self.moments = self.moments or [jax.tree.map(jnp.zeros_like, self.weights) for _ in range(2)]
        loss, self.weights, self.moments, self.count, self.key = self._step(
            self.weights, self.moments, self.count, self.key, images, labels
        )
        return loss

    def infer(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self._infer(self.weights, images), np.float32)

    def gradients(self, images: np.ndarray, labels: np.ndarray) -> Weights:
        gradients = self._gradients(self.weights, images, labels, self.key)
        return {name: np.asarray(value) for name, value in gradients.items()}

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[Array, Array]:
        return jnp.asarray(images), jnp.asarray(labels)


class Keys:
    """An endless supply of random keys. Functions that take None instead leave nothing to chance."""

    def __init__(self, key: Array):
        self.key = key

    def next(self) -> Array:
        self.key, fresh = random.split(self.key)
        return fresh


def preprocess(images: Array, p: ViT, mean: np.ndarray, deviation: np.ndarray) -> Array:
    """Normalises and resizes raw images (batch, H, W, 3) to float32 (batch, size, size, 3)."""
    images = (jnp.asarray(images, jnp.float32) - mean) / deviation
    shape = (len(images), p.image_size, p.image_size, 3)
    return jax.image.resize(images, shape, "bilinear", antialias=False)


def augment(images: Array, settings: Augmentation, keys: Keys) -> Array:
    """Flips, rotates, then zooms images (batch, size, size, 3) about their centre as in Keras; edges are mirrored."""
    n = len(images)
    if settings.horizontal_flip:
        images = jnp.where(random.bernoulli(keys.next(), 0.5, (n, 1, 1, 1)), images[:, :, ::-1], images)
    if settings.rotation:
        angles = 2 * np.pi * random.uniform(keys.next(), (n,), minval=-settings.rotation, maxval=settings.rotation)
        cos, sin = jnp.cos(angles), jnp.sin(angles)
        images = jax.vmap(_sample)(images, jnp.stack([cos, -sin, sin, cos], axis=1).reshape(n, 2, 2))
    if settings.zoom:
        zooms = 1 + random.uniform(keys.next(), (n, 2), minval=-settings.zoom, maxval=settings.zoom)
        images = jax.vmap(_sample)(images, jax.vmap(jnp.diag)(zooms))
    return images


def logits(w: dict[str, Array], images: Array, p: ViT, keys: Keys | None) -> Array:
    """(batch, classes) from preprocessed images (batch, size, size, 3), with dropout if there are `keys`."""
    n = p.image_size // p.patch_size
    x = images.reshape(-1, n, p.patch_size, n, p.patch_size, 3).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(len(images), n * n, -1)
    tokens = _dense(w, "patch_encoder/projection", x) + w["patch_encoder/position_embedding/embeddings"]
    for block in range(p.layers):
        name = f"block{block}"
        tokens = tokens + _attention(w, f"{name}_attention", _norm(w, f"{name}_norm1", tokens, p), p, keys)
        x = _norm(w, f"{name}_norm2", tokens, p)
        tokens = tokens + _mlp(w, f"{name}_mlp", x, len(p.block_units), p.mlp_dropout, keys)
    tokens = _norm(w, "final_norm", tokens, p)
    x = tokens.reshape(len(tokens), -1) if p.pooling == "flatten" else tokens.mean(1)
    x = _mlp(w, "head", _dropout(x, p.head_dropout, keys), len(p.head_units), p.head_dropout, keys)
    return _dense(w, "logits", x)


def adamw(weights, moments, gradients, count: Array, settings: Settings) -> tuple:
    """One update of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2), epsilon placed as in Keras.

    Returns the new weights and moments. count: the number of this step, from 1.
    """
    rate = settings.learning_rate * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    keep = 1 - settings.learning_rate * settings.weight_decay

    def update(weight, first, second):
        return keep * weight - rate * first / (jnp.sqrt(second) + settings.epsilon)

    first = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), moments[0], gradients)
    second = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), moments[1], gradients)
    return jax.tree.map(update, weights, first, second), [first, second]


def _attention(w, name: str, x: Array, p: ViT, keys: Keys | None) -> Array:
    def project(role):
        return jnp.einsum("bnd,dhk->bhnk", x, w[f"{name}/{role}/kernel"]) + w[f"{name}/{role}/bias"][:, None, :]

    query, key, value = (project(role) for role in ("query", "key", "value"))
    scores = jnp.einsum("bhnk,bhmk->bhnm", query, key) / np.sqrt(p.head_width).astype(np.float32)
    shares = jax.nn.softmax(scores.astype(jnp.float32)).astype(x.dtype)
    mixed = jnp.einsum("bhnm,bhmk->bhnk", _dropout(shares, p.attention_dropout, keys), value)
    out = f"{name}/attention_output"
    return jnp.einsum("bhnk,hkd->bnd", mixed, w[f"{out}/kernel"]) + w[f"{out}/bias"]


def _mlp(w, name: str, x: Array, layers: int, dropout: float, keys: Keys | None) -> Array:
    for i in range(layers):
        x = _dropout(jax.nn.gelu(_dense(w, f"{name}_dense{i}", x), approximate=False), dropout, keys)
    return x


def _dense(w, name: str, x: Array) -> Array:
    return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]


def _norm(w, name: str, x: Array, p: ViT) -> Array:
    wide = x.astype(jnp.float32)
    mean, variance = wide.mean(-1, keepdims=True), wide.var(-1, keepdims=True)
    return ((wide - mean) * lax.rsqrt(variance + p.epsilon)).astype(x.dtype) * w[f"{name}/gamma"] + w[f"{name}/beta"]


def _dropout(x: Array, rate: float, keys: Keys | None) -> Array:
    if keys is None or not rate:
        return x
    return jnp.where(random.bernoulli(keys.next(), 1 - rate, x.shape), x / (1 - rate), 0).astype(x.dtype)


def _cast(weights: dict[str, Array], dtype) -> dict[str, Array]:
    return {name: value.astype(dtype) for name, value in weights.items()}


def _sample(image: Array, matrix: Array) -> Array:
    """Samples an image (size, size, C) bilinearly at its pixel coordinates times `matrix`, counted from the centre.

    The coordinates are (column, row); matrix is (2, 2).
    """
    size = len(image)
    centre = (size - 1) / 2
    offsets = jnp.arange(size) - centre
    coordinates = jnp.stack(jnp.meshgrid(offsets, offsets), axis=-1)
    sources = jnp.matmul(coordinates, matrix.T, precision="highest") + centre
    low = jnp.floor(sources)
    right, down = jnp.moveaxis((sources - low)[..., None, :], -1, 0)

    def mirror(index):
        return jnp.minimum(index % (2 * size), 2 * size - 1 - index % (2 * size))

    def pixels(column, row):
        return image[mirror(row), mirror(column)]

    x, y = jnp.moveaxis(low.astype(jnp.int32), -1, 0)
    upper = pixels(x, y) * (1 - right) + pixels(x + 1, y) * right
    lower = pixels(x, y + 1) * (1 - right) + pixels(x + 1, y + 1) * right
    return upper * (1 - down) + lower * down
