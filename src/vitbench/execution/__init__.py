"""How a step runs on each backend, and what really ran: the only module that knows backends apart."""

import atexit
import os
import random
import shutil
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from vitbench.execution import imports
from vitbench.execution.auditing import (
    Compilations,
    NotAsPlannedError,
    audit,
    audit_of_process,
    check,
    watch_jax,
    watch_tensorflow,
)
from vitbench.execution.devices import (
    device,
    out_of_host_memory,
    out_of_memory,
    peak_device_memory_bytes,
    synchronize,
    take_memory_as_needed,
)
from vitbench.plan import PUBLISHED, Plan
from vitbench.progress import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np

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
    "audit_of_process",
    "candidates",
    "check",
    "choose_backend",
    "device",
    "may_go_well_elsewhere",
    "out_of_memory",
    "peak_device_memory_bytes",
    "put_random_state",
    "random_state",
    "resolved",
    "set_seed",
    "start",
    "synchronize",
    "variations",
]

WITHOUT_GPU = (
    "The example at full size takes days on a CPU; `snakemake estimate` measures how many. To go on without a GPU, "
    "say --config accelerator=cpu; for a first look in minutes, `make demo`"
)


class DeviceError(UserError):
    """The device that the config asks for is not there."""


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
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # like torch: memory as it is needed,
    if "XLA_CLIENT_MEM_FRACTION" not in os.environ:  # its newer name; JAX refuses both
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.95")  # and nearly all of it instead of 75 %
    if accelerator == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["KERAS_TORCH_DEVICE"] = "cpu"  # else Apple's GPU
    if backend == "torch" and "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = (
            _folder_of_this_process()
        )  # else what a job compiled makes the next start warm
    began = time.perf_counter()
    with imports.of(backend):
        import keras
    if keras.backend.backend() != backend:
        raise RuntimeError(f"Keras was imported before its backend was chosen: it runs on {keras.backend.backend()}")
    seconds = time.perf_counter() - began
    if backend == "jax":
        watch_jax()
    elif backend == "tensorflow":
        take_memory_as_needed()
    _set_precision(backend, precision)
    if accelerator != "cpu" and not (accelerator == "auto" and allow_cpu) and device()["type"] != "gpu":
        raise DeviceError(f"{backend} finds no GPU here, and accelerator is {accelerator!r}. {WITHOUT_GPU}")
    return seconds


def random_state() -> list["np.ndarray"]:
    """Of the generators that belong to no layer: on torch, from which Keras' dropout draws there; elsewhere none."""
    import keras
    import numpy as np

    if keras.backend.backend() != "torch":
        return []
    import torch

    return [np.array(state.numpy()) for state in (torch.get_rng_state(), *torch.cuda.get_rng_state_all())]


def put_random_state(state: list["np.ndarray"]) -> None:
    """Gives them the state that `random_state` returned."""
    if state:
        import torch

        of_cpu, *of_gpus = (torch.from_numpy(values) for values in state)
        torch.set_rng_state(of_cpu)
        for number, values in enumerate(of_gpus[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(values, number)


def may_go_well_elsewhere(error: BaseException) -> bool:
    """Whether `error` is this machine's and not the job's: a broken GPU, or too little memory."""
    return isinstance(error, DeviceError) or out_of_host_memory(error)


def _folder_of_this_process() -> str:
    folder = tempfile.mkdtemp(prefix="vitbench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def set_seed(seed: int) -> None:
    """What keras.utils.set_random_seed does, but that it imports no TensorFlow where that is not the backend."""
    import keras
    import numpy as np

    if keras.backend.backend() == "tensorflow":
        keras.utils.set_random_seed(seed)
        return
    random.seed(seed)
    np.random.seed(seed)
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


def _set_precision(backend: str, precision: str) -> None:
    import keras

    float32, tf32 = precision == "float32", precision == "tf32"
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "mixed_bfloat16" else "float32")
    if backend == "jax":
        import jax

        # The default is TF32 on a GPU; by that name it would keep XLA from products made by Triton, in bfloat16, too.
        jax.config.update("jax_default_matmul_precision", "highest" if float32 else "default")
    elif backend == "torch":
        import torch

        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(tf32)


def assemble(parts: "Parts", plan: Plan, optimizer: "keras.optimizers.Optimizer") -> "keras.Model":
    """The compiled model of raw images (batch, H, W, 3), 0–255, to logits in float32, executed as `plan` says.

    Where augmentation is outside, the training images come resized already; the model takes both.
    """
    import keras

    shape = (None, None, 3) if plan.augmentation == "outside" else parts.input_shape
    x = images = keras.Input(shape, name="raw_images")
    for layer in (*parts.preprocessing, *_augmentation(parts, plan)):
        x = layer(x)
    logits = parts.classifier(x)
    if logits.dtype != "float32":  # the loss and the metrics are not computed in less
        logits = keras.layers.Activation("linear", dtype="float32", name="logits_in_float32")(logits)
    model = keras.Model(images, logits, name=f"{parts.classifier.name}_on_raw_images")
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
        steps_per_execution=plan.steps_per_execution,
    )
    if keras.backend.backend() == "tensorflow":
        watch_tensorflow(model)
    for layer in refusing:
        layer.supports_jit = False  # for what else is assembled from the same parts
    if plan.jit_compile is True and not model.jit_compile:
        raise NotAsPlannedError("the plan says jit_compile=True, but Keras turned it off")
    return model


def _augmentation(parts: "Parts", plan: Plan) -> list:
    """The augmentation that is in the model."""
    if plan.augmentation == "layers":
        return parts.augmentation
    if plan.augmentation == "outside":
        return []
    from vitbench.execution.sampling import sampled_by_us

    return [sampled_by_us(*pair) for pair in zip(parts.augmentation, parts.twins(), strict=True)]


def resolved(plan: Plan, parts: "Parts") -> Plan:
    """What decides the numbers that `plan` computes where nothing is left to chance, augmentation being off.

    Keras' own choice for `parts` stands in place of "auto".
    """
    import keras

    jit_compile = bool(assemble(parts, plan, keras.optimizers.SGD()).jit_compile)
    outside = plan.augmentation == "outside" and parts.augmentation
    return Plan(jit_compile, "outside" if outside else "layers")


def candidates(backend: str, augmented: bool) -> list[Plan]:
    """The plans that `tune` compares first, the likely winners in front, so that the others are given up early."""
    compiled, plain = Plan(jit_compile=True), Plan(jit_compile=False)
    if not augmented:
        return [compiled, plain] if backend == "jax" else [plain, compiled]
    ours = {plan: replace(plan, augmentation="sampler") for plan in (compiled, plain)}
    return {
        "jax": [ours[compiled], compiled, plain],
        "torch": [ours[plain], plain, ours[compiled]],
        "tensorflow": [plain, ours[plain], ours[compiled]],
    }[backend]


def variations(backend: str, augmented: bool) -> list[dict]:
    """What `tune` then changes about the best plan, one after the other.

    Keras takes one step per execution on torch, and feeds TensorFlow from the host whatever it is given.
    """
    found: list[dict] = [{"feeding": "arrays" if backend == "tensorflow" else "device"}]
    found += [{"steps_per_execution": 8}] if backend != "torch" else []
    return found + ([{"augmentation": "outside", "feeding": "batches"}] if augmented else [])
