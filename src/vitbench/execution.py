"""How a step runs on each backend, and what really ran: the only module that knows backends apart."""

import importlib.metadata
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from vitbench.progress import UserError

if TYPE_CHECKING:
    import keras

    from vitbench.models import Parts

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
    began = time.perf_counter()
    import keras

    if keras.backend.backend() != backend:
        raise RuntimeError(f"Keras was imported before its backend was chosen: it runs on {keras.backend.backend()}")
    seconds = time.perf_counter() - began
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
    if plan.jit_compile is True:
        for layer in model._flatten_layers():
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
    return model


def synchronize() -> None:
    """Returns when the device has finished all that was asked of it."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        # While fit runs, Keras keeps the state beside the model, in a container that JAX does not look into; so wait
        # for every array there is.
        jax.block_until_ready(jax.live_arrays())
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
    else:
        import tensorflow as tf

        tf.test.experimental.sync_devices()


def device() -> dict:
    """The device that this process computes on: type (cpu or gpu) and, for a GPU, its name."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        first = jax.devices()[0]
        return {"type": "cpu", "name": None} if first.platform == "cpu" else {"type": "gpu", "name": first.device_kind}
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            return {"type": "gpu", "name": torch.cuda.get_device_name()}
        return {"type": "cpu", "name": None}
    import tensorflow as tf

    if gpus := tf.config.list_physical_devices("GPU"):
        return {"type": "gpu", "name": tf.config.experimental.get_device_details(gpus[0]).get("device_name")}
    return {"type": "cpu", "name": None}


def peak_device_memory_bytes() -> int | None:
    """The allocator's peak on the GPU, bytes; None on a CPU."""
    import keras

    if device()["type"] == "cpu":
        return None
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if backend == "torch":
        import torch

        return torch.cuda.max_memory_allocated()
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def audit(model: "keras.Model") -> dict:
    """What really runs, read back from the libraries rather than from the plan."""
    import keras

    backend = keras.backend.backend()
    return {
        "backend": backend,
        "backend_version": importlib.metadata.version(_distribution(backend)),
        "keras_version": keras.__version__,
        "jit_compile_effective": bool(model.jit_compile),
        "tf32_effective": _tf32(backend),
        "dtype_policy": keras.config.dtype_policy().name,
        "device": device(),
        "threads": _threads(backend),
    }


def _distribution(backend: str) -> str:
    if backend != "tensorflow":
        return backend
    names = ("tensorflow", "tensorflow-cpu", "tensorflow_cpu")
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    return next((name for name in names if name in installed), "tensorflow")


def _tf32(backend: str) -> bool:
    """Whether a float32 product on this device may be computed in TF32; never on a CPU."""
    if device()["type"] == "cpu":
        return False
    if backend == "jax":
        import jax

        return jax.config.jax_default_matmul_precision != "highest"
    if backend == "torch":
        import torch

        return torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    import tensorflow as tf

    return tf.config.experimental.tensor_float_32_execution_enabled()


def _threads(backend: str) -> int:
    if backend == "torch":
        import torch

        return torch.get_num_threads()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def candidates(backend: str) -> list[Plan]:
    """The plans that `tune` compares: what the backend does by default first, since it is the likeliest to be cheap."""
    compiled, plain = Plan(jit_compile=True), Plan(jit_compile=False)
    return [compiled, plain] if backend == "jax" else [plain, compiled]
