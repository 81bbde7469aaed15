"""The section `parity` of the config."""

from pydantic import Field

from vitbench.config.base import Section
from vitbench.config.executions import Backend


class Tolerances(Section):
    """Largest differences that pass, relative to the largest magnitude of the compared quantity.

    They lie between the effect of rounding and that of the mildest of nine planted faults; see benchmarks/README.md.
    """

    logits: float = Field(default=3e-5, gt=0, description="Not in training mode. Float32 rounding causes about 3e-6.")
    loss: float = Field(
        default=1e-5, gt=0, description="Of the first batch, in training mode. Rounding causes 1e-6 or less."
    )
    slope: float = Field(
        default=1e-4,
        gt=0,
        description="Derivative of the loss along a random direction, relative to the length of the gradient.",
    )
    gradient: float = Field(
        default=1e-4,
        gt=0,
        description="Of each weight, relative to at least a thousandth of the model's largest gradient. In smooth "
        "networks rounding causes 2e-6. At the kinks of ReLU, rounding switches parts of a gradient on or off: if "
        "rounding the reference's weights changes a gradient by more than a quarter of this value, four times that "
        "change is the tolerance instead.",
    )
    state: float = Field(default=1e-4, gt=0, description="State after the first step, such as moving averages.")
    losses: float = Field(
        default=5e-4, gt=0, description="Of every step. Rounding causes up to 1e-4 in a ResNet50V2 and 1e-7 in a ViT."
    )
    augmentation: float = Field(default=1e-4, gt=0, description="Pixels of augmented images, given the random draws.")


class Parity(Section):
    """What is compared with the reference, and how closely it must agree."""

    reference_backend: Backend = Field(default="jax", description="The backend that the others are compared with.")
    batch_size: int = Field(default=16, ge=2, description="Images in a compared batch.")
    steps: int = Field(default=20, ge=2, description="AdamW steps whose losses are compared.")
    tolerances: Tolerances = Tolerances()
    train_despite_failure: bool = Field(
        default=False, description="Train and measure a backend although parity failed; its rows are marked."
    )
