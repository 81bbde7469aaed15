"""The Vision Transformer as one would write it in JAX alone: functions of a tree of weights, and one jitted step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random

from vitbench.config.models import Augmentation, ViT
from vitbench.models.native.settings import Settings, Weights

BETA_1, BETA_2 = 0.9, 0.999  # of AdamW


class NativeViT:
    """Trains and applies the model on this process' device; see vitbench.native."""

    def __init__(self, p: ViT, normalization: dict, weights: Weights, settings: Settings):
        kind = jnp.bfloat16 if settings.precision == "mixed_bfloat16" else jnp.float32
        mean, deviation = (np.asarray(normalization[k], np.float32) for k in ("mean", "variance"))
        prepare = functools.partial(prepared, p=p, mean=mean, deviation=np.sqrt(deviation))
        self.weights = {name: jnp.array(value, jnp.float32) for name, value in weights.items()}
        self.moments: list | None = None  # begun by the first step, since inference has no use for them
        self.count, self.key = jnp.zeros((), jnp.int32), random.key(0)

        def loss(weights, images, labels, key):
            keys = Keys(key)
            found = logits(_cast(weights, kind), _augmented(prepare(images), p, keys).astype(kind), p, keys)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(found.astype(jnp.float32)), labels[:, None], axis=1)
            return -chosen.mean()

        def step(weights, moments, count, key, images, labels):
            key, ours = random.split(key)
            value, gradients = jax.value_and_grad(loss)(weights, images, labels, ours)
            weights, moments = adamw(weights, moments, gradients, count + 1, settings)
            return value, weights, moments, count + 1, key

        self._step = jax.jit(step, donate_argnums=(0, 1, 2, 3))
        self._gradients = jax.jit(jax.grad(loss))
        self._infer = jax.jit(lambda w, images: logits(_cast(w, kind), prepare(images).astype(kind), p, None))

    def train(self, images: np.ndarray, labels: np.ndarray) -> Array:
        """One step; the loss before it, which nobody has waited for."""
        self.moments = self.moments or [jax.tree.map(jnp.zeros_like, self.weights) for _ in range(2)]
        found = self._step(self.weights, self.moments, self.count, self.key, images, labels)
        loss, self.weights, self.moments, self.count, self.key = found
        return loss

    def infer(self, images: np.ndarray) -> np.ndarray:
        """float32 (batch, classes), on the host."""
        return np.asarray(self._infer(self.weights, images), np.float32)

    def gradients(self, images: np.ndarray, labels: np.ndarray) -> Weights:
        """Of the loss, by the path of the Keras model's weight."""
        return {k: np.asarray(v) for k, v in self._gradients(self.weights, images, labels, self.key).items()}

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple:
        """The same on the device."""
        return jnp.asarray(images), jnp.asarray(labels)


class Keys:
    """Random keys, a fresh one each time; none where nothing is to be random."""

    def __init__(self, key: Array):
        self.key = key

    def next(self) -> Array:
        self.key, fresh = random.split(self.key)
        return fresh


def prepared(images: Array, p: ViT, mean: np.ndarray, deviation: np.ndarray) -> Array:
    """Normalised and resized: float32 (batch, size, size, 3)."""
    images = (jnp.asarray(images, jnp.float32) - mean) / deviation
    shape = (len(images), p.image_size, p.image_size, 3)
    return jax.image.resize(images, shape, "bilinear", antialias=False)


def logits(w: dict[str, Array], images: Array, p: ViT, keys: Keys | None) -> Array:
    """(batch, classes); dropout where there are keys."""
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
    """Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, with Keras' place of epsilon."""
    rate = settings.learning_rate * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    keep = 1 - settings.learning_rate * settings.weight_decay

    first = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), moments[0], gradients)
    second = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g * g - v), moments[1], gradients)
    moved = lambda w, m, v: keep * w - rate * m / (jnp.sqrt(v) + settings.epsilon)  # noqa: E731
    return jax.tree.map(moved, weights, first, second), [first, second]


def _cast(weights: dict[str, Array], kind) -> dict[str, Array]:
    return {name: value.astype(kind) for name, value in weights.items()}


def _dense(w, name: str, x: Array) -> Array:
    return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]


def _norm(w, name: str, x: Array, p: ViT) -> Array:
    wide = x.astype(jnp.float32)
    mean, variance = wide.mean(-1, keepdims=True), wide.var(-1, keepdims=True)
    return ((wide - mean) * lax.rsqrt(variance + p.epsilon)).astype(x.dtype) * w[f"{name}/gamma"] + w[f"{name}/beta"]


def _attention(w, name: str, x: Array, p: ViT, keys: Keys | None) -> Array:
    def projected(role):
        return jnp.einsum("bnd,dhk->bhnk", x, w[f"{name}/{role}/kernel"]) + w[f"{name}/{role}/bias"][:, None, :]

    queries, keys_, values = (projected(role) for role in ("query", "key", "value"))
    scores = jnp.einsum("bhnk,bhmk->bhnm", queries, keys_) / np.sqrt(p.head_width).astype(np.float32)
    shares = jax.nn.softmax(scores.astype(jnp.float32)).astype(x.dtype)
    found = jnp.einsum("bhnm,bhmk->bhnk", _dropout(shares, p.attention_dropout, keys), values)
    out = f"{name}/attention_output"
    return jnp.einsum("bhnk,hkd->bnd", found, w[f"{out}/kernel"]) + w[f"{out}/bias"]


def _mlp(w, name: str, x: Array, layers: int, dropout: float, keys: Keys | None) -> Array:
    for i in range(layers):
        x = _dropout(jax.nn.gelu(_dense(w, f"{name}_dense{i}", x), approximate=False), dropout, keys)
    return x


def _dropout(x: Array, rate: float, keys: Keys | None) -> Array:
    if keys is None or not rate:
        return x
    return jnp.where(random.bernoulli(keys.next(), 1 - rate, x.shape), x / (1 - rate), 0).astype(x.dtype)


def _augmented(images: Array, p: ViT, keys: Keys) -> Array:
    return augmented(images, p.augmentation, keys) if p.augmentation else images


def augmented(images: Array, drawn: Augmentation, keys: Keys) -> Array:
    """(batch, size, size, 3) flipped, rotated, then zoomed about the centre, as by Keras; edges mirrored."""
    n = len(images)
    if drawn.horizontal_flip:
        images = jnp.where(random.bernoulli(keys.next(), 0.5, (n, 1, 1, 1)), images[:, :, ::-1], images)
    if drawn.rotation:
        angles = 2 * np.pi * random.uniform(keys.next(), (n,), minval=-drawn.rotation, maxval=drawn.rotation)
        cos, sin = jnp.cos(angles), jnp.sin(angles)
        images = jax.vmap(_sampled)(images, jnp.stack([cos, -sin, sin, cos], axis=1).reshape(n, 2, 2))
    if drawn.zoom:
        zooms = 1 + random.uniform(keys.next(), (n, 2), minval=-drawn.zoom, maxval=drawn.zoom)
        images = jax.vmap(_sampled)(images, jax.vmap(jnp.diag)(zooms))
    return images


def _sampled(image: Array, across_down: Array) -> Array:
    """Bilinearly, at a linear map of the pixels' places as seen from the centre."""
    size = len(image)
    centre = (size - 1) / 2
    steps = jnp.arange(size) - centre
    seen = jnp.stack(jnp.meshgrid(steps, steps), axis=-1)
    places = jnp.matmul(seen, across_down.T, precision="highest") + centre
    low = jnp.floor(places)
    right, down = jnp.moveaxis((places - low)[..., None, :], -1, 0)

    def pixels(column, row):
        mirrored = lambda i: jnp.minimum(i % (2 * size), 2 * size - 1 - i % (2 * size))  # noqa: E731
        return image[mirrored(row), mirrored(column)]

    x, y = jnp.moveaxis(low.astype(jnp.int32), -1, 0)
    upper = pixels(x, y) * (1 - right) + pixels(x + 1, y) * right
    lower = pixels(x, y + 1) * (1 - right) + pixels(x + 1, y + 1) * right
    return upper * (1 - down) + lower * down
