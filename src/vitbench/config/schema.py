"""The config of an experiment, with a description, a default and a range for each key.

The pydantic models are the only definition; the JSON Schema and docs/config.md are generated from them.
"""

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from vitbench.backends.registry import BACKENDS, get_backend
from vitbench.config.base import Distinct, Positive, Section, Seed, Slug
from vitbench.config.dataset import Dataset
from vitbench.config.models import Models, UsersModel, ViT
from vitbench.config.training import Training, check_warmup

EXECUTIONS = ("published", "tuned")

if TYPE_CHECKING:
    Backend = str
else:
    Backend = Literal[tuple(BACKENDS)]
Execution = Literal["published", "tuned"]
TimedExecution = Literal["published", "tuned", "native"]
Precision = Literal["float32", "tf32", "mixed_bfloat16"]


class Executions(Section):
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


class Tuning(Section):
    budget_seconds: float = Field(
        default=300, gt=0, description="Longest time for all candidate plans of one model, backend and precision."
    )
    timed_steps: int = Field(default=10, ge=2, description="Steps per timed block of a candidate.")


class Throughput(Section):
    batch_sizes: Annotated[list[Positive], Distinct] | None = Field(
        default=None,
        min_length=1,
        description="Batch sizes to measure, ascending until memory runs out; null: training.batch_size.",
    )
    warmup_steps: Positive = Field(
        default=10, description="Steps of one repetition of the warm-up, which is repeated until it gets no faster."
    )
    warmup_seconds: float = Field(default=60, gt=0, description="No repetition of the warm-up starts after this time.")
    limit_seconds: float = Field(default=1800, gt=0, description="Longest time for one phase at one batch size.")
    native_compiled: bool = Field(
        default=True, description="Whether torch.compile compiles the native step; on a CPU that takes minutes."
    )
    blocks: int = Field(
        default=5,
        ge=3,
        description="Timed blocks, with the device synchronised at the end of each. Intervals of 3 blocks cover 89 % "
        "instead of 95 %.",
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
    reference_backend: Backend = Field(default="jax", description="The backend that the others are compared with.")
    batch_size: int = Field(default=16, ge=2, description="Images in a compared batch.")
    steps: int = Field(default=20, ge=2, description="AdamW steps whose losses are compared.")
    tolerances: Tolerances = Tolerances()
    train_despite_failure: bool = Field(
        default=False, description="Train and measure a backend although parity failed; its rows are marked."
    )


class Statistics(Section):
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Coverage of the intervals.")
    equivalence_margin: float = Field(
        default=0.01, gt=0, lt=1, description="Accuracies that differ by less than this are equivalent."
    )
    speed_margin: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Speeds that differ by less than this share of the slower one are equivalent.",
    )


class Report(Section):
    title: str = Field(default="vitbench", min_length=1, max_length=200, description="Heading of the report.")
    target_accuracy: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Validation accuracy for which the report states the time to reach it; null: the highest whole "
        "percent that every completed run of a model reaches.",
    )


class Config(Section):
    """One experiment."""

    experiment: Slug = Field(default="cifar100", description="Results go to results/<experiment>/.")
    accelerator: Literal["auto", "gpu", "cpu"] = Field(
        default="auto",
        description="auto: uses the GPU environments, and a GPU if the job finds one; without a GPU nothing is trained "
        "unless allow_cpu is true. gpu: requires a GPU. cpu: uses the CPU environments and no GPU.",
    )
    allow_cpu: bool = Field(
        default=False,
        description="With accelerator auto: train on a machine without a GPU, too. At full size that takes days.",
    )
    dataset: Dataset = Dataset()
    models: Models = Models()
    backends: Annotated[list[Backend], Distinct] = Field(
        default=list(BACKENDS), min_length=1, description="The backends to compare."
    )
    baseline: Baseline | None = Field(default=Baseline(), description="The baseline, or null for none.")
    seeds: Annotated[list[Seed], Distinct] = Field(
        default=[0, 1, 2], min_length=1, description="Each is one run of each trained configuration."
    )
    executions: Executions = Executions()
    precisions: Annotated[list[Precision], Distinct] = Field(
        default=["float32"],
        min_length=1,
        description="Arithmetic. float32 has TF32 off. Images are prepared in float32 at every precision.",
    )
    training: Training = Training()
    tuning: Tuning = Tuning()
    throughput: Throughput = Throughput()
    parity: Parity = Parity()
    statistics: Statistics = Statistics()
    report: Report = Report()

    @model_validator(mode="after")
    def _names_exist(self):
        known = self.models.parameters()
        if not known:
            raise ValueError("models: every model is null, so there is nothing to train")
        if self.baseline and self.baseline.model not in known:
            raise ValueError(f"baseline.model {self.baseline.model!r} is not among the models: {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _something_is_timed(self):
        if untimed := [f"{m} on {b}" for m, b in self.model_backends() if not self.timed_executions(m, b)]:
            raise ValueError(f"executions.throughput: {', '.join(untimed)} has no native execution mode; add tuned")
        return self

    @model_validator(mode="after")
    def _can_be_trained(self):
        if self.accelerator == "cpu" and "tf32" in self.precisions:
            raise ValueError("precisions: tf32 needs a GPU, but accelerator is 'cpu'; remove tf32")
        if self.baseline and self.baseline.epochs:
            check_warmup(self.training.schedule, self.baseline.epochs)
        return self

    def model_backends(self) -> list[tuple[str, Backend]]:
        """Every model with each of its backends, in the order of the tables."""
        pairs = []
        for model in self.models.parameters():
            backends = self.backends
            if self.baseline and model == self.baseline.model:
                backends = self.baseline.backends
            pairs += [(model, backend) for backend in backends]
        return pairs

    def custom_modules(self, model: str | None) -> list[str]:
        """The module of a custom `model`; empty for other models and for None."""
        parameters = self.models.parameters().get(model) if model else None
        return [parameters.module] if isinstance(parameters, UsersModel) else []

    def data_backend(self) -> Backend:
        """The backend whose environment the step data runs in."""
        return self.backends[0]

    def reference_backend(self, model: str) -> Backend:
        """The backend that computes the reference for `model`: the configured one, if it takes part.

        A model with a single backend is compared with a backend that takes part with another model.
        """
        backends = [backend for name, backend in self.model_backends() if name == model]
        known = backends if len(backends) > 1 else [b for b in self.backends if b not in backends] or backends
        return self.parity.reference_backend if self.parity.reference_backend in known else known[0]

    def model_executions(self, model: str) -> Executions:
        if self.baseline and model == self.baseline.model and self.baseline.executions:
            return self.baseline.executions
        return self.executions

    def keras_executions(self, model: str) -> list[Execution]:
        """The execution modes of Keras that are trained or measured, published first."""
        executions = self.model_executions(model)
        used = {*executions.train, *executions.throughput}
        return [execution for execution in EXECUTIONS if execution in used]

    def timed_executions(self, model: str, backend: str) -> list[TimedExecution]:
        """The execution modes that are measured; native only if the model and the optimiser have one."""
        has_native = isinstance(self.models.parameters()[model], ViT) and get_backend(backend).has_native_vit
        has_native = has_native and self.training.optimizer.name == "adamw"
        return [e for e in self.model_executions(model).throughput if e != "native" or has_native]

    def model_seeds(self, model: str) -> list[int]:
        if self.baseline and model == self.baseline.model and self.baseline.seeds:
            return self.baseline.seeds
        return self.seeds

    def model_epochs(self, model: str) -> int:
        if self.baseline and model == self.baseline.model and self.baseline.epochs:
            return self.baseline.epochs
        return self.training.epochs

    def batch_sizes(self) -> list[int]:
        return self.throughput.batch_sizes or [self.training.batch_size]

    def digest(self) -> str:
        """SHA-256 of the whole config, hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def canonical(self) -> str:
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def relevant_settings(self, step: str, model: str | None = None) -> str:
        """The part of the config that can change the result of `step` (for `model`), as JSON.

        A job is repeated when this changes, and not when any other setting does.
        """
        dump = self.model_dump(mode="json")
        chosen: dict[str, Any] = {key: dump[key] for key in _RELEVANT[step]}
        if model is not None:
            chosen["model"] = dump["models"][model]
        if model is not None and "training" in chosen:
            chosen["training"].pop("epochs")
            if step != "sample":  # the time of a few steps does not depend on the number of epochs
                chosen["epochs"] = self.model_epochs(model)
        if model is not None and step == "parity":
            chosen["reference"] = self.reference_backend(model)
            chosen["native_compiled"] = self.throughput.native_compiled
            chosen["executions"] = self.model_executions(model).model_dump(mode="json")
        if model is not None and step != "init":
            chosen["validation_fraction"] = dump["dataset"]["validation_fraction"]
        return json.dumps(chosen, sort_keys=True)


_RELEVANT = {
    "data": ["dataset"],
    "init": [],
    "sample": ["accelerator", "dataset", "training", "precisions"],
    "tune": ["accelerator", "training", "tuning"],
    "parity": ["accelerator", "executions", "parity", "precisions"],
    "train": ["accelerator", "training"],
    "throughput": ["accelerator", "training", "throughput"],
}
