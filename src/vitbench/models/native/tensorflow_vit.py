"""The Vision Transformer as one would write it in TensorFlow alone: functions of variables, and one traced step."""

# TensorFlow's annotations allow less than its functions do: no arrays, and no tensors in shapes.
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false, reportOptionalOperand=false

import numpy as np
import tensorflow as tf

from vitbench.config.models import Augmentation, ViT
from vitbench.models.native.registry import Settings, Weights

BETA_1, BETA_2 = 0.9, 0.999  # of AdamW
ROLES = ("query", "key", "value")

Variables = dict[str, tf.Variable]


class TensorflowViT:
    """The native model on TensorFlow; see NativeViT in `vitbench.models.native.registry` for its methods.

    On a GPU, XLA compiles the model; the augmentation stays outside, because XLA lacks its operation. On a CPU, XLA
    compiles nothing, as in the published plan. Whether it would be faster there was not measured.
    """

    def __init__(self, p: ViT, normalization: dict, weights: Weights, settings: Settings):
        self.p, self.settings = p, settings
        self.dtype = tf.bfloat16 if settings.precision == "mixed_bfloat16" else tf.float32
        self.mean = tf.constant(normalization["mean"], tf.float32)
        self.deviation = tf.sqrt(tf.constant(normalization["variance"], tf.float32))
        self.variables = {name: tf.Variable(value) for name, value in _join(weights, p).items()}
        self.moments: list[Variables] | None = None  # allocated by the first step; inference does not need them
        self.powers = tf.Variable(1.0), tf.Variable(1.0)  # of BETA_1 and BETA_2
        compiled = settings.compiled and bool(tf.config.list_physical_devices("GPU"))
        self._differentiate = tf.function(self._loss_and_gradients, jit_compile=compiled)
        self._classify = tf.function(self._logits_without_dropout, jit_compile=compiled)
        self._step = tf.function(self._train)
        self._infer = tf.function(lambda images: self._classify(self._preprocess(images)))
        self._gradients = tf.function(lambda images, labels: self._differentiate(self._augmented(images), labels)[1])

    def train(self, images: np.ndarray, labels: np.ndarray) -> tf.Tensor:
        if self.moments is None:
            zeros = {name: np.zeros(value.shape, np.float32) for name, value in self.variables.items()}
            self.moments = [{name: tf.Variable(value) for name, value in zeros.items()} for _ in range(2)]
        return self._step(images, labels)

    def infer(self, images: np.ndarray) -> np.ndarray:
        return self._infer(images).numpy()

    def gradients(self, images: np.ndarray, labels: np.ndarray) -> Weights:
        gradients = self._gradients(images, labels)
        return _split({name: value.numpy() for name, value in gradients.items()}, self.p)

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.constant(images), tf.constant(labels)

    def _train(self, images, labels) -> tf.Tensor:
        loss, gradients = self._differentiate(self._augmented(images), labels)
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        powers = self.powers[0].assign(self.powers[0] * BETA_1), self.powers[1].assign(self.powers[1] * BETA_2)
        first, second = self.moments or ({}, {})
        for name, variable in self.variables.items():
            variable.assign(variable * (1 - rate * decay))
            # Its epsilon is placed as in Keras.
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first[name].handle,
                v=second[name].handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=self.settings.epsilon,
                grad=gradients[name],
            )
        return loss

    def _loss_and_gradients(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The mean loss and its gradient, in training mode. images: preprocessed and augmented."""
        with tf.GradientTape() as tape:
            outputs = logits(self._cast_variables(), tf.cast(images, self.dtype), self.p, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(outputs, tf.float32))
            loss = tf.reduce_mean(losses)
        names = list(self.variables)
        return loss, dict(zip(names, tape.gradient(loss, [self.variables[name] for name in names]), strict=True))

    def _logits_without_dropout(self, images: tf.Tensor) -> tf.Tensor:
        outputs = logits(self._cast_variables(), tf.cast(images, self.dtype), self.p, training=False)
        return tf.cast(outputs, tf.float32)

    def _cast_variables(self) -> dict[str, tf.Tensor]:
        return {name: tf.cast(variable, self.dtype) for name, variable in self.variables.items()}

    def _preprocess(self, images) -> tf.Tensor:
        """float32 (batch, size, size, 3), normalised and resized."""
        images = (tf.cast(images, tf.float32) - self.mean) / self.deviation
        return tf.image.resize(images, (self.p.image_size, self.p.image_size), "bilinear")

    def _augmented(self, images) -> tf.Tensor:
        images = self._preprocess(images)
        return augment(images, self.p.augmentation) if self.p.augmentation else images


def augment(images: tf.Tensor, settings: Augmentation) -> tf.Tensor:
    """Flips, rotates, then zooms images (batch, size, size, 3) about their centre as in Keras; edges are mirrored."""
    n = tf.shape(images)[0]
    if settings.horizontal_flip:
        images = tf.where(tf.random.uniform((n, 1, 1, 1)) < 0.5, images[:, :, ::-1], images)
    if settings.rotation:
        angles = 2 * np.pi * tf.random.uniform((n,), -settings.rotation, settings.rotation)
        images = _sample(images, tf.cos(angles), -tf.sin(angles), tf.sin(angles), tf.cos(angles))
    if settings.zoom:
        zooms = 1 + tf.random.uniform((2, n), -settings.zoom, settings.zoom)
        images = _sample(images, zooms[0], tf.zeros((n,)), tf.zeros((n,)), zooms[1])
    return images


def logits(w: dict[str, tf.Tensor], images: tf.Tensor, p: ViT, training: bool) -> tf.Tensor:
    """(batch, classes) from preprocessed images (batch, size, size, 3), with dropout in `training`."""
    n, size = p.image_size // p.patch_size, p.patch_size
    x = tf.reshape(images, (-1, n, size, n, size, 3))
    x = tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, n * n, size * size * 3))
    tokens = _dense(w, "patch_encoder/projection", x) + w["patch_encoder/position_embedding/embeddings"]
    for block in range(p.layers):
        name = f"block{block}"
        tokens += _attention(w, f"{name}_attention", _norm(w, f"{name}_norm1", tokens, p), p, training)
        x = _norm(w, f"{name}_norm2", tokens, p)
        tokens += _mlp(w, f"{name}_mlp", x, len(p.block_units), p.mlp_dropout if training else 0.0)
    tokens = _norm(w, "final_norm", tokens, p)
    flatten = p.pooling == "flatten"
    x = tf.reshape(tokens, (-1, n * n * p.projection_dim)) if flatten else tf.reduce_mean(tokens, axis=1)
    rate = p.head_dropout if training else 0.0
    return _dense(w, "logits", _mlp(w, "head", _dropout(x, rate), len(p.head_units), rate))


def _attention(w, name: str, x: tf.Tensor, p: ViT, training: bool) -> tf.Tensor:
    """Queries, keys and values are computed by one product, and the heads are in front of the tokens."""
    tokens = x.shape[1]
    joined = tf.reshape(_dense(w, f"{name}/joined", x), (-1, tokens, 3, p.num_heads, p.head_width))
    query, key, value = tf.unstack(tf.transpose(joined, (2, 0, 3, 1, 4)))
    scores = tf.matmul(query * p.head_width**-0.5, key, transpose_b=True)
    shares = tf.cast(tf.nn.softmax(tf.cast(scores, tf.float32)), x.dtype)
    mixed = tf.matmul(_dropout(shares, p.attention_dropout if training else 0.0), value)
    mixed = tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (-1, tokens, p.num_heads * p.head_width))
    return _dense(w, f"{name}/attention_output", mixed)


def _mlp(w, name: str, x: tf.Tensor, layers: int, dropout: float) -> tf.Tensor:
    for i in range(layers):
        x = _dropout(tf.nn.gelu(_dense(w, f"{name}_dense{i}", x)), dropout)
    return x


def _dense(w, name: str, x: tf.Tensor) -> tf.Tensor:
    """One product of two matrices, whatever the rank of x."""
    kernel = w[f"{name}/kernel"]
    flat = tf.nn.bias_add(tf.matmul(tf.reshape(x, (-1, kernel.shape[0])), kernel), w[f"{name}/bias"])
    return flat if len(x.shape) == 2 else tf.reshape(flat, (-1, x.shape[1], kernel.shape[1]))


def _norm(w, name: str, x: tf.Tensor, p: ViT) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    mean, variance = tf.nn.moments(wide, axes=[-1], keepdims=True)
    normal = tf.cast((wide - mean) * tf.math.rsqrt(variance + p.epsilon), x.dtype)
    return normal * w[f"{name}/gamma"] + w[f"{name}/beta"]


def _dropout(x: tf.Tensor, rate: float) -> tf.Tensor:
    return tf.nn.dropout(x, rate) if rate else x


def _sample(images: tf.Tensor, a0, a1, b0, b1) -> tf.Tensor:
    """Samples images bilinearly at (column, row) times [[a0, a1], [b0, b1]], counted from the centre; each (batch,)."""
    centre, zero = (images.shape[1] - 1) / 2, tf.zeros_like(a0)
    a2, b2 = centre * (1 - a0 - a1), centre * (1 - b0 - b1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1),
        output_shape=tf.constant([images.shape[1], images.shape[2]]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _join(weights: Weights, p: ViT) -> Weights:
    """The weights with one kernel and bias for queries, keys and values, and matrices in place of kernels by head."""
    joined = {name: np.asarray(value, np.float32) for name, value in weights.items() if "_attention/" not in name}
    for block in range(p.layers):
        name = f"block{block}_attention"
        kernels = [weights[f"{name}/{role}/kernel"] for role in ROLES]
        joined[f"{name}/joined/kernel"] = np.concatenate([k.reshape(len(k), -1) for k in kernels], axis=1)
        joined[f"{name}/joined/bias"] = np.concatenate([weights[f"{name}/{role}/bias"].ravel() for role in ROLES])
        out = weights[f"{name}/attention_output/kernel"]
        joined[f"{name}/attention_output/kernel"] = out.reshape(-1, out.shape[-1])
        joined[f"{name}/attention_output/bias"] = weights[f"{name}/attention_output/bias"]
    return joined


def _split(joined: Weights, p: ViT) -> Weights:
    """The inverse of `_join`."""
    weights = {name: value for name, value in joined.items() if "_attention/" not in name}
    by_head = (p.num_heads, p.head_width)
    for block in range(p.layers):
        name = f"block{block}_attention"
        kernels = np.split(joined[f"{name}/joined/kernel"], 3, axis=1)
        biases = np.split(joined[f"{name}/joined/bias"], 3)
        for role, kernel, bias in zip(ROLES, kernels, biases, strict=True):
            weights[f"{name}/{role}/kernel"] = kernel.reshape(-1, *by_head)
            weights[f"{name}/{role}/bias"] = bias.reshape(by_head)
        out = joined[f"{name}/attention_output/kernel"]
        weights[f"{name}/attention_output/kernel"] = out.reshape(*by_head, -1)
        weights[f"{name}/attention_output/bias"] = joined[f"{name}/attention_output/bias"]
    return weights
