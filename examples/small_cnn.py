"""A custom model. The config selects it with `builder: examples.small_cnn:build` under a name in `models`.

The function gets the shape of a raw image, the number of classes, and the values under `options`. The model takes raw
images, 0–255, and returns logits, not probabilities. So preprocessing and augmentation are part of the model. Use only
`keras` and `keras.ops`, so that the same code runs on every backend.
"""

import keras
from keras import layers


def build(input_shape: tuple[int, int, int], classes: int, width: int = 32) -> keras.Model:
    """Three convolutions, each with half the resolution and twice the width of the previous one, and global pooling."""
    x = images = keras.Input(input_shape)
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = layers.RandomTranslation(0.1, 0.1)(x)
    for stage in range(3):
        x = layers.Conv2D(width * 2**stage, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(classes)(x), name="small_cnn")
