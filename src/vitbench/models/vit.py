"""The Vision Transformer of the Keras example "Image classification with Vision Transformer".

Read from the top in the order of the forward pass: `build` is the table of contents. Only `keras` and
`keras.ops` are used, so the same lines run on every backend. Source: K. Salama, keras.io example, 2021, after
Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020 (arXiv:2010.11929).
"""

import keras
from keras import layers, ops

from vitbench.config.models import ViT


def build(parameters: ViT, classes: int) -> keras.Model:
    """The classifier: preprocessed images in, logits out.

    Input float32 (batch, image_size, image_size, 3), already normalised, resized and augmented;
    output float32 (batch, classes) logits.
    """
    p = parameters
    images = keras.Input((p.image_size, p.image_size, 3), name="images")
    patches = Patches(p.patch_size, name="patches")(images)
    tokens = PatchEncoder(p.patches, p.projection_dim, name="patch_encoder")(patches)
    for block in range(p.layers):
        tokens = _block(tokens, p, name=f"block{block}")
    tokens = layers.LayerNormalization(epsilon=p.epsilon, name="final_norm")(tokens)
    if p.pooling == "flatten":
        features = layers.Flatten(name="flatten")(tokens)
    else:
        features = layers.GlobalAveragePooling1D(name="average")(tokens)
    features = layers.Dropout(p.head_dropout, name="head_dropout")(features)
    features = _mlp(features, p.head_units, p.head_dropout, name="head")
    logits = layers.Dense(classes, name="logits")(features)
    return keras.Model(images, logits, name="vit")


@keras.saving.register_keras_serializable(package="vitbench")
class Patches(layers.Layer):
    """Cuts images into square patches: (batch, H, W, C) to (batch, H/p · W/p, p · p · C), row by row."""

    def __init__(self, patch_size: int, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, images):
        _, height, width, channels = images.shape
        rows, columns = height // self.patch_size, width // self.patch_size
        patches = ops.image.extract_patches(images, size=self.patch_size)
        return ops.reshape(patches, (-1, rows * columns, self.patch_size * self.patch_size * channels))

    def get_config(self):
        return {**super().get_config(), "patch_size": self.patch_size}


@keras.saving.register_keras_serializable(package="vitbench")
class PatchEncoder(layers.Layer):
    """A linear projection of each patch plus a learned position embedding: (batch, N, D_in) to (batch, N, D)."""

    def __init__(self, num_patches: int, projection_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = num_patches
        self.projection_dim = projection_dim
        self.projection = layers.Dense(projection_dim, name="projection")
        self.position_embedding = layers.Embedding(num_patches, projection_dim, name="position_embedding")

    def build(self, input_shape):
        self.projection.build(input_shape)
        self.position_embedding.build((1, self.num_patches))

    def call(self, patches):
        positions = ops.expand_dims(ops.arange(0, self.num_patches, 1), axis=0)
        return self.projection(patches) + self.position_embedding(positions)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.projection_dim)

    def get_config(self):
        # The example leaves out projection_dim, so that its saved model cannot be loaded again.
        config = {"num_patches": self.num_patches, "projection_dim": self.projection_dim}
        return {**super().get_config(), **config}


def _block(tokens, p: ViT, name: str):
    """One pre-norm transformer block: attention and MLP, each behind a skip connection."""
    x = layers.LayerNormalization(epsilon=p.epsilon, name=f"{name}_norm1")(tokens)
    attention = layers.MultiHeadAttention(
        num_heads=p.num_heads, key_dim=p.head_width, dropout=p.attention_dropout, name=f"{name}_attention"
    )
    tokens = layers.Add(name=f"{name}_skip1")([attention(x, x), tokens])
    x = layers.LayerNormalization(epsilon=p.epsilon, name=f"{name}_norm2")(tokens)
    x = _mlp(x, p.block_units, p.mlp_dropout, name=f"{name}_mlp")
    return layers.Add(name=f"{name}_skip2")([x, tokens])


def _mlp(x, units: list[int], dropout: float, name: str):
    """Dense, exact (erf) GELU and dropout, once per width in `units`."""
    for i, width in enumerate(units):
        x = layers.Dense(width, name=f"{name}_dense{i}")(x)
        x = layers.Activation(_gelu, name=f"{name}_gelu{i}")(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout{i}")(x)
    return x


@keras.saving.register_keras_serializable(package="vitbench", name="exact_gelu")
def _gelu(x):
    """x · Φ(x) with the exact normal distribution function (Hendrycks & Gimpel 2016, eq. 2), not its tanh fit."""
    return keras.activations.gelu(x, approximate=False)
