"""What the functions in integration.workers return. No module imported here imports Keras."""

from dataclasses import dataclass

import numpy as np

from vitbench.parity.augmentation import Draws


@dataclass(frozen=True)
class ModelOutputs:
    """Logits float32 (images, classes) of each model variant, and of copies built from the config of its classifier.

    trainable_weights: the number of trainable weights of the full-size ViT.
    """

    logits: dict[str, np.ndarray]
    logits_of_copy: dict[str, np.ndarray]
    trainable_weights: int


@dataclass(frozen=True)
class LoadedWeights:
    """A model after it has loaded the weights that a backend has saved. exact: whether every value is the saved one."""

    logits: np.ndarray
    exact: bool


@dataclass(frozen=True)
class RequestedBatch:
    """A batch that `fit` has asked for. digest: SHA-256 of its images and labels."""

    epoch: int
    step: int
    digest: str


@dataclass(frozen=True)
class OptimizerPath:
    """Weights float (gradients, 3, 4) after each gradient, and the learning rate float (gradients,) before each."""

    weights: np.ndarray
    learning_rates: np.ndarray


@dataclass(frozen=True)
class TrainingResult:
    """What a backend does in training.

    batches: those that `fit` asked for, in their order.
    weights: of the linear model after training, by the plan's difference from the published one.
    optimizers: by the name of the training.
    rates_by_epoch: learning rates at the end of each epoch.
    """

    batches: list[RequestedBatch]
    weights: dict[str, np.ndarray]
    optimizers: dict[str, OptimizerPath]
    rates_by_epoch: list[float]


@dataclass(frozen=True)
class AugmentedImages:
    """The draws for all images, and the pixels float (n, size, size) of the first n augmented images."""

    draws: Draws
    pixels: np.ndarray


@dataclass(frozen=True)
class AuditedStep:
    """The audit of a model after a step, and the message of NotAsPlannedError, None if it was not raised."""

    audit: dict
    error: str | None


@dataclass(frozen=True)
class FlopCounts:
    """Floating-point operations per image by phase, train or infer: as PyTorch counts them, and by the formula."""

    torch: dict[str, float]
    formula: dict[str, float]


@dataclass(frozen=True)
class Bfloat16Training:
    """One epoch of the Keras model. loss_before: in evaluation, before the epoch.

    image_dtypes: the compute dtypes of the layers that process and augment the images. logits: after the epoch, with
    the augmentation in layers only.
    """

    loss_before: float
    history: dict[str, float]
    classifier_dtype: str
    weight_dtypes: set[str]
    image_dtypes: list[str]
    logits: np.ndarray | None


@dataclass(frozen=True)
class NativeBfloat16Training:
    """The losses of two steps. patch_difference: the largest difference of the patches from float32; PyTorch only."""

    losses: list[float]
    patch_difference: float | None


@dataclass(frozen=True)
class Bfloat16Result:
    """keras: by augmentation. float32_loss: of the first batch, in NumPy. native: None if the backend has none."""

    keras: dict[str, Bfloat16Training]
    float32_loss: float
    native: NativeBfloat16Training | None
