"""The sections `tuning` and `throughput` of the config."""

from typing import Annotated

from pydantic import Field

from vitbench.config.base import Distinct, Positive, Section
from vitbench.config.executions import TimedExecution


class Tuning(Section):
    """How long the step tune may search for the fastest plan."""

    budget_seconds: float = Field(
        default=900,
        gt=0,
        description="Longest time for all candidate plans of one model, backend and precision. Compilers need minutes "
        "per plan at full size.",
    )
    minimum_seconds: float = Field(
        default=60,
        ge=0,
        description="Time that a candidate gets even if the budget is spent, as long as none has been measured.",
    )
    timed_steps: int = Field(default=10, ge=2, description="Steps per timed block of a candidate.")


class Throughput(Section):
    """How throughput is measured."""

    rounds: Positive = Field(
        default=5,
        description="Rounds: repetitions in fresh processes, in which the configurations take turns. Speeds are "
        "compared over rounds. Fewer than three give no verdict.",
    )
    rounds_by_execution: dict[TimedExecution, Positive] = Field(
        default={}, description="Rounds of single execution modes, if they differ: {published: 1, native: 1}."
    )
    control: bool = Field(
        default=True,
        description="Measures one configuration twice per round. The difference is the noise floor of this machine: "
        "smaller differences between backends cannot be resolved.",
    )
    disturbance_limit: float | None = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Largest share of its cores' time that other processes and the hypervisor may take from a phase of "
        "a round. Above it, or on a GPU that is shared or throttled, the phase is measured again, at most twice. null: "
        "nothing is measured again.",
    )
    batch_sizes: Annotated[list[Positive], Distinct] | None = Field(
        default=None,
        min_length=1,
        description="Batch sizes to measure, ascending until memory runs out; null: training.batch_size.",
    )
    warmup_steps: Positive = Field(
        default=10, description="Steps of one repetition of the warm-up, which is repeated until it gets no faster."
    )
    warmup_seconds: float = Field(default=60, gt=0, description="No repetition of the warm-up starts after this time.")
    limit_seconds: float = Field(
        default=1800, gt=0, description="Longest time for one phase of one round at one batch size."
    )
    recompilation: bool = Field(
        default=True,
        description="Whether the first round also measures the first training step with half the batch size, which is "
        "compiled anew.",
    )
    native_compiled: bool = Field(
        default=True,
        description="Whether torch.compile compiles the native step on PyTorch, which takes minutes on a CPU, and "
        "XLA that on TensorFlow with a GPU.",
    )
    blocks: int = Field(
        default=5,
        ge=3,
        description="Timed blocks of each round, with the device synchronised at the end of each. The speed of a round "
        "is the median over its blocks.",
    )
    steps_per_block: int = Field(default=20, ge=2, description="Smallest number of steps in a block.")
    block_seconds: float = Field(
        default=2.0,
        ge=0,
        description="A block gets as many steps as it needs to last about this long, so that the start of Keras' loop, "
        "some hundredths of a second, does not matter.",
    )
    longest_block_seconds: float = Field(
        default=10.0,
        gt=0,
        description="A block gets fewer than steps_per_block steps if it would last longer than this.",
    )
