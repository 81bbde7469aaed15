"""The baseline: ResNet50V2 (He et al. 2016, arXiv:1603.05027), untrained, as `keras.applications` builds it."""

import keras

from vitbench.config.models import ResNet50V2


def build(p: ResNet50V2, classes: int) -> keras.Model:
    """The classifier: from preprocessed images to logits. It has no pretrained weights.

    Input: float32 (batch, image_size, image_size, 3), normalised, resized and augmented.
    Output: logits (batch, classes), in the compute dtype of the policy.
    """
    return keras.applications.ResNet50V2(
        include_top=True,
        weights=None,
        input_shape=(p.image_size, p.image_size, 3),
        classes=classes,
        classifier_activation=None,
        name="resnet50v2",
    )
