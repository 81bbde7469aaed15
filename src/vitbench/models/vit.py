"""The Vision Transformer of the Keras example "Image classification with Vision Transformer".

Read it from top to bottom: the code is in the order of the forward pass, and `build` is the table of contents. It uses
only `keras` and `keras.ops`, so the same lines run on every backend.

Sources: K. Salama, keras.io example, 2021, after Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020
(arXiv:2010.11929).
"""

import keras
from keras import layers, ops

from vitbench.config.models import ViT


def build(p: ViT, classes: int) -> keras.Model:
    """The classifier: from preprocessed images to logits.

    Input: float32 (batch, image_size, image_size, 3), normalised, resized and augmented.
    Output: logits (batch, classes), in the compute dtype of the policy.

    In the comments below, B is the batch, N the number of patches and D the width of a token, `projection_dim`.
    """
    images = keras.Input((p.image_size, p.image_size, 3), name="images")  # (B, image_size, image_size, 3)
    patches = Patches(p.patch_size, name="patches")(images)  # (B, N, patch_size · patch_size · 3)
    tokens = PatchEncoder(p.patches, p.projection_dim, name="patch_encoder")(patches)  # (B, N, D)

    for i in range(p.layers):
        tokens = transformer_block(tokens, p, name=f"block{i}")  # (B, N, D)
    tokens = layers.LayerNormalization(epsilon=p.epsilon, name="final_norm")(tokens)

    if p.pooling == "flatten":
        features = layers.Flatten(name="flatten")(tokens)  # (B, N · D)
    else:
        features = layers.GlobalAveragePooling1D(name="average")(tokens)  # (B, D)
    features = layers.Dropout(p.head_dropout, name="head_dropout")(features)
    features = mlp(features, p.head_units, p.head_dropout, name="head")  # (B, head_units[-1])
    logits = layers.Dense(classes, name="logits")(features)  # (B, classes)
    return keras.Model(images, logits, name="vit")


@keras.saving.register_keras_serializable(package="vitbench")
class Patches(layers.Layer):
    """Cuts images into square patches, row by row: (B, H, W, C) → (B, H/p · W/p, p · p · C)."""

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
    """Projects each patch linearly and adds a learned position embedding: (B, N, D_in) → (B, N, D)."""

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
        # The example omits projection_dim, so its saved model cannot be loaded.
        config = {"num_patches": self.num_patches, "projection_dim": self.projection_dim}
        return {**super().get_config(), **config}


def transformer_block(tokens, p: ViT, name: str):
    """One pre-norm block, (B, N, D) → (B, N, D): attention and an MLP, each with a skip connection."""
    x = layers.LayerNormalization(epsilon=p.epsilon, name=f"{name}_norm1")(tokens)
    attention = layers.MultiHeadAttention(
        num_heads=p.num_heads, key_dim=p.head_width, dropout=p.attention_dropout, name=f"{name}_attention"
    )
    tokens = layers.Add(name=f"{name}_skip1")([attention(x, x), tokens])
    x = layers.LayerNormalization(epsilon=p.epsilon, name=f"{name}_norm2")(tokens)
    x = mlp(x, p.block_units, p.mlp_dropout, name=f"{name}_mlp")
    return layers.Add(name=f"{name}_skip2")([x, tokens])


def mlp(x, units: list[int], dropout: float, name: str):
    """A dense layer, exact GELU and dropout for each width in `units`: (…, D_in) → (…, units[-1])."""
    for i, width in enumerate(units):
        x = layers.Dense(width, name=f"{name}_dense{i}")(x)
        x = layers.Activation(exact_gelu, name=f"{name}_gelu{i}")(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout{i}")(x)
    return x


@keras.saving.register_keras_serializable(package="vitbench", name="exact_gelu")
def exact_gelu(x):
    """x · Φ(x) with the exact normal distribution function (Hendrycks & Gimpel 2016, eq. 2), not its tanh fit."""
    return keras.activations.gelu(x, approximate=False)
