"""How a step runs on each backend, and what really ran: the only module that knows backends apart."""

import os
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from vitbench.execution.auditing import Compilations, NotAsPlannedError, audit, check, watch_jax, watch_tensorflow
from vitbench.execution.devices import device, peak_device_memory_bytes, synchronize
from vitbench.progress import UserError

if TYPE_CHECKING:
    import keras

    from vitbench.models import Parts

__all__ = [
    "PUBLISHED",
    "WITHOUT_GPU",
    "Compilations",
    "DeviceError",
    "NotAsPlannedError",
    "Plan",
    "assemble",
    "audit",
    "candidates",
    "check",
    "choose_backend",
    "device",
    "peak_device_memory_bytes",
    "resolved",
    "start",
    "synchronize",
]

WITHOUT_GPU = (
    "The example at full size takes days on a CPU; `snakemake estimate` measures how many. To go on without a GPU, "
    "say --config accelerator=cpu; for a first look in minutes, `make demo`"
)


class DeviceError(UserError):
    """The device that the config asks for is not there."""


@dataclass(frozen=True)
class Plan:
    """How the steps of a model are executed.

    jit_compile: what Keras is told. "auto" leaves the choice to Keras, which runs un-jitted when a layer says that it
    does not support jit; True overrules such layers.
    """

    jit_compile: bool | Literal["auto"]

    def as_dict(self) -> dict:
        return asdict(self)


PUBLISHED = Plan(jit_compile="auto")


def choose_backend(backend: str) -> None:
    """Says which backend Keras will have in this process, without importing it."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")


def start(backend: str, precision: str, accelerator: str, allow_cpu: bool = False) -> float:
    """Imports Keras on `backend`, sets `precision`, and returns the seconds that the import took.

    Call it once per process, before anything imports Keras. Raises DeviceError if there is no GPU and `accelerator` is
    gpu, or auto without `allow_cpu`.
    """
    choose_backend(backend)
    if accelerator == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["KERAS_TORCH_DEVICE"] = "cpu"  # else Apple's GPU
    began = time.perf_counter()
    import keras

    if keras.backend.backend() != backend:
        raise RuntimeError(f"Keras was imported before its backend was chosen: it runs on {keras.backend.backend()}")
    seconds = time.perf_counter() - began
    if backend == "jax":
        watch_jax()
    _set_precision(backend, precision)
    if accelerator != "cpu" and not (accelerator == "auto" and allow_cpu) and device()["type"] != "gpu":
        raise DeviceError(f"{backend} finds no GPU here, and accelerator is {accelerator!r}. {WITHOUT_GPU}")
    return seconds


def _set_precision(backend: str, precision: str) -> None:
    import keras

    tf32 = precision == "tf32"
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "mixed_bfloat16" else "float32")
    if backend == "jax":
        import jax

        matmul = {"float32": "highest", "tf32": "tensorfloat32", "mixed_bfloat16": None}[precision]
        jax.config.update("jax_default_matmul_precision", matmul)
    elif backend == "torch":
        import torch

        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(tf32)


def assemble(parts: "Parts", plan: Plan, optimizer: "keras.optimizers.Optimizer") -> "keras.Model":
    """The compiled model of raw images (batch, H, W, 3), 0–255, to logits, executed as `plan` says."""
    import keras

    x = images = keras.Input(parts.input_shape, name="raw_images")
    for layer in (*parts.preprocessing, *parts.augmentation):
        x = layer(x)
    model = keras.Model(images, parts.classifier(x), name=f"{parts.classifier.name}_on_raw_images")
    classes = model.output_shape[-1]
    refusing = [layer for layer in model._flatten_layers() if not layer.supports_jit]
    model.layers_without_jit = tuple(sorted({layer.name for layer in refusing}))
    if plan.jit_compile is True:
        for layer in refusing:
            layer.supports_jit = True
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            keras.metrics.SparseTopKCategoricalAccuracy(min(5, classes), name="top5_accuracy"),
        ],
        jit_compile=plan.jit_compile,
    )
    if keras.backend.backend() == "tensorflow":
        watch_tensorflow(model)
    for layer in refusing:
        layer.supports_jit = False  # for what else is assembled from the same parts
    if plan.jit_compile is True and not model.jit_compile:
        raise NotAsPlannedError("the plan says jit_compile=True, but Keras turned it off")
    return model


def resolved(plan: Plan, parts: "Parts") -> Plan:
    """The same with Keras' own choice for the model of `parts` in place of "auto"."""
    import keras

    return replace(plan, jit_compile=bool(assemble(parts, plan, keras.optimizers.SGD()).jit_compile))


def candidates(backend: str) -> list[Plan]:
    """The plans that `tune` compares: what the backend does by default first, since it is the likeliest to be cheap."""
    compiled, plain = Plan(jit_compile=True), Plan(jit_compile=False)
    return [compiled, plain] if backend == "jax" else [plain, compiled]
