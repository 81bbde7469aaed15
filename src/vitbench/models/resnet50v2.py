"""The baseline: ResNet50V2 (He et al. 2016, arXiv:1603.05027) from scratch, as `keras.applications` builds it."""

import keras

from vitbench.config.models import ResNet50V2


def build(parameters: ResNet50V2, classes: int) -> keras.Model:
    """The classifier: preprocessed images in, logits out.

    Input float32 (batch, image_size, image_size, 3), already normalised, resized and augmented;
    output float32 (batch, classes) logits. No pretrained weights.
    """
    return keras.applications.ResNet50V2(
        include_top=True,
        weights=None,
        input_shape=(parameters.image_size, parameters.image_size, 3),
        classes=classes,
        classifier_activation=None,
        name="resnet50v2",
    )
