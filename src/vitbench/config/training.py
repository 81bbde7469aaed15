"""The section `training` of the config."""

from typing import Literal

from pydantic import Field, model_validator

from vitbench.config.base import Positive, Rate, Section


class Optimizer(Section):
    """The optimiser."""

    name: Literal["adamw", "sgd", "lion"] = Field(
        default="adamw",
        description="adamw: Loshchilov & Hutter 2019, arXiv:1711.05101 (Adam if weight_decay is 0). sgd: with Nesterov "
        "momentum 0.9. lion: Chen et al. 2023, arXiv:2302.06675.",
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="Learning rate; with a schedule, the largest one.")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="Share of each weight that is subtracted at each step; see decay."
    )
    decay: Literal["keras", "independent"] = Field(
        default="keras",
        description="keras: weight_decay is multiplied by the learning rate of the step. independent: it is multiplied "
        "only by the schedule's share of the largest learning rate, as in the paper and in the code behind the "
        "example's 55 %.",
    )


class Schedule(Section):
    """How the learning rate changes from step to step."""

    name: Literal["constant", "cosine"] = Field(
        default="constant",
        description="constant, or half a cosine down to final_fraction (arXiv:1608.03983, without restarts).",
    )
    warmup_epochs: float = Field(
        default=0, ge=0, description="Epochs in which the learning rate first rises linearly from zero."
    )
    final_fraction: Rate = Field(
        default=0.0, description="With cosine: the last learning rate as a share of the largest."
    )


class Training(Section):
    """How the models are trained."""

    epochs: Positive = Field(
        default=100,
        description="Passes over the training images. The example uses 10 as a test and 100 for its results.",
    )
    batch_size: Positive = Field(
        default=256, description="Images per step; reduce it if the device runs out of memory."
    )
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    checkpoint_seconds: float = Field(
        default=60,
        ge=0,
        description="A checkpoint is written at the end of the first epoch that ends this long after the last one. An "
        "interrupted run loses at most this time and one epoch. 0: after every epoch.",
    )

    @model_validator(mode="after")
    def _check_warmup(self):
        check_warmup(self.schedule, self.epochs)
        return self


def check_warmup(schedule: Schedule, epochs: int) -> None:
    """Raises ValueError if the warm-up of the learning rate takes all `epochs` or more."""
    if schedule.warmup_epochs >= epochs:
        raise ValueError(
            f"schedule.warmup_epochs {schedule.warmup_epochs:g} must be smaller than the number of epochs, {epochs}"
        )
