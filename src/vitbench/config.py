"""The config: what a user may say about an experiment, with a description, a default and a range for each key.

The pydantic models here are the only definition; `workflow/schemas/config.schema.json` is generated from them.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1  # of the results layout and the tables' columns
BACKENDS = ("jax", "torch", "tensorflow")

Backend = Literal["jax", "torch", "tensorflow"]
Execution = Literal["published", "tuned"]
Precision = Literal["float32", "tf32", "mixed_bfloat16"]
# Becomes part of a path, so: no separator, no leading dot.
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=64)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _no_repeats(values: list) -> list:
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} more than once")
    return values


Distinct = AfterValidator(_no_repeats)  # of a list whose entries are each measured once


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Dataset(Section):
    """Where the images come from."""

    source: Literal["digits", "keras"] = Field(
        "keras",
        description="keras: downloaded by keras.datasets. digits: scikit-learn's 1 797 handwritten digits, no network.",
    )
    name: Slug = Field("cifar100", description="keras: cifar10 or cifar100. Elsewhere a label for the tables.")
    subset: int | None = Field(
        None, ge=10, description="Use only this many training images, drawn evenly over classes."
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of the training images, the last ones, that is held out for validation."
    )

    @model_validator(mode="after")
    def _known_name(self):
        if self.source == "keras" and self.name not in ("cifar10", "cifar100"):
            raise ValueError(f"name {self.name!r} is not one that source 'keras' has: cifar10, cifar100")
        return self


class Augmentation(Section):
    """Random changes of a training image, drawn anew each time; `null` switches all of them off."""

    horizontal_flip: bool = Field(True, description="Mirror left to right with probability one half.")
    rotation: Rate = Field(0.02, description="Largest angle, as a share of a full turn; uniform in ± this.")
    zoom: Rate = Field(0.2, description="Largest zoom, as a share of height and width; uniform in ± this, each.")


class ImageModel(Section):
    """What the models built here share: they take images normalised, resized and augmented in this way."""

    image_size: int = Field(72, ge=8, le=1024, description="Images are resized to this height and width, pixels.")
    augmentation: Augmentation | None = Field(Augmentation(), description="Augmentation, or null for none.")


class ViT(ImageModel):
    """The Vision Transformer; every default is the Keras example's."""

    patch_size: Positive = Field(6, description="Height and width of a patch, pixels; must divide image_size.")
    projection_dim: Positive = Field(64, description="Width of a token, and of the key of each head.")
    num_heads: Positive = Field(4, description="Attention heads.")
    layers: Positive = Field(8, description="Transformer blocks.")
    block_units: list[Positive] = Field(
        [128, 64], min_length=1, description="Widths of a block's MLP, last: a token's."
    )
    head_units: list[Positive] = Field([2048, 1024], description="Widths of the MLP in front of the logits.")
    attention_dropout: Rate = Field(0.1, description="Dropout on the attention weights.")
    mlp_dropout: Rate = Field(0.1, description="Dropout in a block's MLP.")
    head_dropout: Rate = Field(0.5, description="Dropout in front of and in the head.")
    epsilon: float = Field(1e-6, gt=0, description="Added to the variance in LayerNormalization.")
    pooling: Literal["flatten", "average"] = Field("flatten", description="How tokens become one vector.")

    @property
    def patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2

    @model_validator(mode="after")
    def _shapes_fit(self):
        if self.image_size % self.patch_size:
            raise ValueError(
                f"patch_size {self.patch_size} does not divide image_size {self.image_size}; "
                f"try patch_size {_nearest_divisor(self.image_size, self.patch_size)}"
            )
        if self.block_units[-1] != self.projection_dim:
            raise ValueError(
                f"block_units ends in {self.block_units[-1]}, but is added to tokens of width projection_dim "
                f"{self.projection_dim}; let it end in {self.projection_dim}"
            )
        return self


class ResNet50V2(ImageModel):
    """The baseline; `keras.applications.ResNet50V2` without pretrained weights."""

    image_size: int = Field(72, ge=32, le=1024, description="Images are resized to this height and width, pixels.")


class Models(Section):
    """The models that take part, by name; `null` takes one out."""

    vit: ViT | None = ViT()
    resnet50v2: ResNet50V2 | None = ResNet50V2()

    def parameters(self) -> dict[str, ImageModel]:
        return {name: getattr(self, name) for name in type(self).model_fields if getattr(self, name)}


class Baseline(Section):
    """A model that is trained beside the others, on fewer backends."""

    model: Slug = Field("resnet50v2", description="One of the models.")
    backends: Annotated[list[Backend], Distinct] = Field(
        ["jax"], min_length=1, description="The backends to train it on."
    )
    seeds: Annotated[list[Seed], Distinct] | None = Field(
        None, min_length=1, description="Its seeds; null: the experiment's."
    )
    epochs: Positive | None = Field(None, description="Its epochs; null: training.epochs.")


class Executions(Section):
    train: Annotated[list[Execution], Distinct] = Field(["tuned"], min_length=1, description="What is trained.")
    throughput: Annotated[list[Execution], Distinct] = Field(
        ["published", "tuned"], min_length=1, description="What is timed."
    )


class Optimizer(Section):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    learning_rate: float = Field(1e-3, gt=0, description="Step size.")
    weight_decay: float = Field(1e-4, ge=0, description="Decay of each weight per step, times the learning rate.")


class Training(Section):
    epochs: Positive = Field(
        100, description="Passes over the training images. The example: 10 as a test, 100 for real."
    )
    batch_size: Positive = Field(256, description="Images per step; lower it if a device runs out of memory.")
    optimizer: Optimizer = Optimizer()


class Tuning(Section):
    budget_seconds: float = Field(300, gt=0, description="Longest time for all candidates of one model and backend.")
    timed_steps: int = Field(10, ge=2, description="Steps per timed block of a candidate.")


class Throughput(Section):
    batch_sizes: Annotated[list[Positive], Distinct] | None = Field(
        None, min_length=1, description="Images per step to time at; null: training.batch_size."
    )
    warmup_steps: Positive = Field(10, description="Steps before the clock starts, after the first (compiling) step.")
    blocks: int = Field(5, ge=3, description="Timed blocks; the device is synchronised at the end of each.")
    steps_per_block: int = Field(20, ge=2, description="Steps in a block, at least.")
    block_seconds: float = Field(
        2.0,
        ge=0,
        description="A block gets as many more steps as it takes to last about this long, so that what Keras does "
        "at its start, some hundredths of a second, does not count.",
    )


class Parity(Section):
    reference_backend: Backend = Field("jax", description="What the other backends are compared with.")
    batch_size: int = Field(16, ge=2, description="Images in the compared batch.")
    logits_tolerance: float = Field(
        1e-4,
        gt=0,
        description="Largest difference of a logit, relative to the largest reference logit. Float32 rounding through "
        "8 blocks leaves about 1e-6; 1e-4 leaves room for other orders of summation.",
    )
    train_despite_failure: bool = Field(
        False, description="Train and time a backend whose gate failed; rows are marked."
    )


class Statistics(Section):
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Coverage of the intervals.")
    equivalence_margin: float = Field(0.01, gt=0, lt=1, description="Accuracies closer than this count as the same.")


class Report(Section):
    title: str = Field("vitbench", min_length=1, max_length=200, description="Heading of the report.")


class Config(Section):
    """One experiment."""

    experiment: Slug = Field("cifar100", description="Results go to results/<experiment>/.")
    accelerator: Literal["auto", "gpu", "cpu"] = Field(
        "auto",
        description="auto: GPU environments, a GPU is used if the job finds one. gpu: one must be found. "
        "cpu: none is used.",
    )
    dataset: Dataset = Dataset()
    models: Models = Models()
    backends: Annotated[list[Backend], Distinct] = Field(
        list(BACKENDS), min_length=1, description="The backends to compare."
    )
    baseline: Baseline | None = Field(Baseline(), description="The baseline, or null for none.")
    seeds: Annotated[list[Seed], Distinct] = Field([0, 1, 2], min_length=1, description="One training run each.")
    executions: Executions = Executions()
    precisions: Annotated[list[Precision], Distinct] = Field(
        ["float32"], min_length=1, description="Arithmetic; float32 has TF32 off."
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

    def contestants(self) -> list[tuple[str, Backend]]:
        """Every (model, backend) that takes part, in the order of the tables."""
        pairs = []
        for model in self.models.parameters():
            is_baseline = self.baseline is not None and model == self.baseline.model
            pairs += [(model, backend) for backend in (self.baseline.backends if is_baseline else self.backends)]
        return pairs

    def data_backend(self) -> Backend:
        """The backend whose environment the step data runs in."""
        return self.backends[0]

    def reference_of(self, model: str) -> Backend:
        """The backend that the others' `model` is compared with: the configured one, or the first that takes part."""
        backends = [backend for name, backend in self.contestants() if name == model]
        return self.parity.reference_backend if self.parity.reference_backend in backends else backends[0]

    def seeds_of(self, model: str) -> list[int]:
        if self.baseline and model == self.baseline.model and self.baseline.seeds:
            return self.baseline.seeds
        return self.seeds

    def epochs_of(self, model: str) -> int:
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

    def relevant(self, step: str, model: str | None = None) -> str:
        """The part of the config that can change what `step` makes (of `model`), as JSON.

        A job is repeated when this changes, and only then: a new report title retrains nothing.
        """
        dump = self.model_dump(mode="json")
        chosen: dict[str, Any] = {key: dump[key] for key in _RELEVANT[step]}
        if model is not None:
            chosen["model"] = dump["models"][model]
        if model is not None and "training" in chosen:
            chosen["epochs"] = self.epochs_of(model)
            chosen["training"].pop("epochs")
            chosen["validation_fraction"] = dump["dataset"]["validation_fraction"]
        return json.dumps(chosen, sort_keys=True)


_RELEVANT = {
    "data": ["dataset"],
    "init": [],
    "tune": ["accelerator", "training", "tuning"],
    "parity": ["accelerator", "parity"],
    "train": ["accelerator", "training"],
    "throughput": ["accelerator", "training", "throughput"],
}


def _nearest_divisor(n: int, wanted: int) -> int:
    return min((d for d in range(1, n + 1) if n % d == 0), key=lambda d: abs(d - wanted))
