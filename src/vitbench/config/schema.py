"""The config of an experiment, with a description, a default and a range for each key.

The pydantic models are the only definition; the JSON Schema and docs/config.md are generated from them.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from vitbench.backends.registry import BACKENDS, get_backend
from vitbench.config.base import Distinct, Section, Seed, Slug
from vitbench.config.dataset import Dataset
from vitbench.config.executions import Backend, Baseline, Execution, Executions, Precision, TimedExecution
from vitbench.config.measurement import Throughput, Tuning
from vitbench.config.models import CustomModel, Models, ViT
from vitbench.config.parity import Parity
from vitbench.config.report import Report, Statistics
from vitbench.config.training import Training, check_warmup

# The sections on which the result of a step depends; `Config.relevant_settings` adds what depends on the model.
_RELEVANT_SECTIONS = {
    "data": ["dataset"],
    "init": [],
    "sample": ["accelerator", "dataset", "training", "precisions"],
    "tune": ["accelerator", "training", "tuning"],
    "parity": ["accelerator", "executions", "parity", "precisions"],
    "train": ["accelerator", "training"],
    "throughput": ["accelerator", "training", "throughput"],
}


class Config(Section):
    """One experiment. Unknown keys are refused, and a config cannot be changed after it was checked."""

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
    baseline: Baseline | None = Field(
        default=Baseline(),
        description="The baseline. null: none, and no resnet50v2 either, unless it is the only model. To compare the "
        "backends on resnet50v2 as well, name them all in baseline.backends.",
    )
    seeds: Annotated[list[Seed], Distinct] = Field(
        default=[0, 1, 2], min_length=1, description="Seeds of the runs; each configuration is trained once per seed."
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
    def _remove_unused_baseline(self):
        """The parameters of resnet50v2 do not say that it takes part: the files for every experiment contain them."""
        default = Baseline().model
        if self.baseline is None and self.models.parameters().keys() - {default}:
            object.__setattr__(self, "models", self.models.model_copy(update={default: None}))  # the config is frozen
        return self

    @model_validator(mode="after")
    def _check_model_names(self):
        known = self.models.parameters()
        if not known:
            raise ValueError("models: every model is null, so there is nothing to train")
        if self.baseline and self.baseline.model not in known:
            raise ValueError(f"baseline.model {self.baseline.model!r} is not among the models: {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _check_timed_executions(self):
        if untimed := [f"{m} on {b}" for m, b in self.model_backends() if not self.timed_executions(m, b)]:
            raise ValueError(f"executions.throughput: {', '.join(untimed)} has no native execution mode; add tuned")
        return self

    @model_validator(mode="after")
    def _check_training(self):
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
        return [parameters.module] if isinstance(parameters, CustomModel) else []

    def data_backend(self) -> Backend:
        """The backend in whose environment the step data runs."""
        return self.backends[0]

    def reference_backend(self, model: str) -> Backend:
        """The backend that computes the reference for `model`: the configured one, if it takes part.

        A model with a single backend is compared with a backend that takes part with another model.
        """
        backends = [backend for name, backend in self.model_backends() if name == model]
        known = backends if len(backends) > 1 else [b for b in self.backends if b not in backends] or backends
        return self.parity.reference_backend if self.parity.reference_backend in known else known[0]

    def environment(self, backend: Backend) -> str:
        """The name of the conda environment in which `backend` runs, without a suffix."""
        return f"{backend}-cpu" if self.accelerator == "cpu" else backend

    def required_environments(self) -> set[str]:
        """The conda environments that every configuration needs, and the report's."""
        pairs = self.model_backends()
        needed = [{self.data_backend(), self.reference_backend(model), backend} for model, backend in pairs]
        return {"report", *map(self.environment, set.intersection(*needed))}

    def model_executions(self, model: str) -> Executions:
        """The execution modes of `model`, which the baseline may set for itself."""
        if self.baseline and model == self.baseline.model and self.baseline.executions:
            return self.baseline.executions
        return self.executions

    def keras_executions(self, model: str) -> list[Execution]:
        """The execution modes of Keras that are trained or measured, published first."""
        executions = self.model_executions(model)
        used = {*executions.train, *executions.throughput}
        return [execution for execution in get_args(Execution) if execution in used]

    def timed_executions(self, model: str, backend: str) -> list[TimedExecution]:
        """The execution modes whose throughput is measured; native only if there is a native model and optimiser."""
        has_native = isinstance(self.models.parameters()[model], ViT) and get_backend(backend).has_native_vit
        has_native = has_native and self.training.optimizer.name == "adamw"
        return [e for e in self.model_executions(model).throughput if e != "native" or has_native]

    def model_seeds(self, model: str) -> list[int]:
        """The seeds of `model`, which the baseline may set for itself."""
        if self.baseline and model == self.baseline.model and self.baseline.seeds:
            return self.baseline.seeds
        return self.seeds

    def model_epochs(self, model: str) -> int:
        """The epochs of `model`, which the baseline may set for itself."""
        if self.baseline and model == self.baseline.model and self.baseline.epochs:
            return self.baseline.epochs
        return self.training.epochs

    def rounds(self, execution: str) -> int:
        """The rounds in which the throughput of an execution mode is measured."""
        exceptions = self.throughput.rounds_by_execution.items()
        return next((rounds for name, rounds in exceptions if name == execution), self.throughput.rounds)

    def batch_sizes(self) -> list[int]:
        """The batch sizes at which throughput is measured."""
        return self.throughput.batch_sizes or [self.training.batch_size]

    def digest(self) -> str:
        """SHA-256 of the whole config, hexadecimal."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def canonical_json(self) -> str:
        """The whole config as JSON with sorted keys: equal configs give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def relevant_settings(self, step: str, model: str | None = None) -> str:
        """The part of the config that can change the result of `step` (for `model`), as JSON.

        A job is repeated when this changes, and not when any other setting does.
        """
        dump = self.model_dump(mode="json")
        chosen: dict[str, Any] = {key: dump[key] for key in _RELEVANT_SECTIONS[step]}
        if model is not None:
            chosen["model"] = dump["models"][model]
        if model is not None and "training" in chosen:
            chosen["training"].pop("epochs")
            chosen["training"].pop("checkpoint_seconds")
            if step != "sample":  # the time of a few steps does not depend on the number of epochs
                chosen["epochs"] = self.model_epochs(model)
        if step == "throughput":  # a round does not depend on how many others there are
            for key in ("rounds", "rounds_by_execution", "control"):
                chosen["throughput"].pop(key)
        if model is not None and step == "parity":
            chosen["reference"] = self.reference_backend(model)
            chosen["native_compiled"] = self.throughput.native_compiled
            chosen["executions"] = self.model_executions(model).model_dump(mode="json")
        if model is not None and step != "init":
            chosen["validation_fraction"] = dump["dataset"]["validation_fraction"]
        return json.dumps(chosen, sort_keys=True)
