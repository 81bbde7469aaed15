"""The sections `executions` and `baseline` of the config, and the names of backends, execution modes and precisions."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from vitbench.backends.registry import BACKENDS
from vitbench.config.base import Distinct, Positive, Section, Seed, Slug

if TYPE_CHECKING:
    Backend = str
else:  # a type checker cannot evaluate this
    Backend = Literal[tuple(BACKENDS)]
Execution = Literal["published", "tuned"]
TimedExecution = Literal["published", "tuned", "native"]
Precision = Literal["float32", "tf32", "mixed_bfloat16"]


class Executions(Section):
    """Which execution modes are trained and measured."""

    train: Annotated[list[Execution], Distinct] = Field(
        default=["tuned"], min_length=1, description="Execution modes that are trained."
    )
    throughput: Annotated[list[TimedExecution], Distinct] = Field(
        default=["published", "tuned", "native"],
        min_length=1,
        description="Execution modes whose throughput is measured. native: the ViT without Keras, on the backends that "
        "have one; the difference shows what Keras costs.",
    )


class Baseline(Section):
    """A model that is trained beside the others on fewer backends."""

    model: Slug = Field(default="resnet50v2", description="One of the models.")
    backends: Annotated[list[Backend], Distinct] = Field(
        default=["jax"], min_length=1, description="The backends to train it on."
    )
    seeds: Annotated[list[Seed], Distinct] | None = Field(
        default=None, min_length=1, description="Its seeds; null: those of the experiment."
    )
    epochs: Positive | None = Field(default=None, description="Its epochs; null: training.epochs.")
    executions: Executions | None = Field(
        default=None, description="Its execution modes; null: those of the other models."
    )
