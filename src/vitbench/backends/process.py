"""The backend of this process: chosen once, before Keras is imported."""

import os
import time

from vitbench.backends.base import Backend
from vitbench.backends.lean_import import lean_import
from vitbench.backends.registry import BACKENDS, get_backend
from vitbench.system.logs import UserError

WITHOUT_GPU = (
    "The example at full size takes days on a CPU; `snakemake estimate` measures how many. To continue without a GPU, "
    "add --config accelerator=cpu; for a first look in minutes, run `make demo`"
)
_started: list[Backend] = []


class DeviceError(UserError):
    """The device that the config asks for does not exist."""


def choose_backend(name: str) -> Backend:
    """Chooses the backend that Keras will use in this process, without importing it."""
    backend = get_backend(name)
    os.environ["KERAS_BACKEND"] = backend.keras_name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    return backend


def start_backend(name: str, precision: str, accelerator: str, allow_cpu: bool = False) -> float:
    """Imports Keras on backend `name`, sets `precision` and returns the seconds that the import took.

    Call it once per process, before anything imports Keras. Raises DeviceError if there is no GPU and `accelerator` is
    gpu, or auto without `allow_cpu`.
    """
    backend = choose_backend(name)
    backend.set_variables(accelerator)
    others = [other.package for other in map(get_backend, BACKENDS) if other.package != backend.package]
    started = time.perf_counter()
    with lean_import(others):
        import keras
    seconds = time.perf_counter() - started
    if keras.backend.backend() != backend.keras_name:
        raise RuntimeError(f"Keras was imported before its backend was chosen: it runs on {keras.backend.backend()}")
    _started[:] = [backend]
    backend.configure()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "mixed_bfloat16" else "float32")
    backend.set_precision(precision)
    may_use_cpu = accelerator == "cpu" or (accelerator == "auto" and allow_cpu)
    if not may_use_cpu and backend.device()["type"] != "gpu":
        raise DeviceError(f"{name} finds no GPU here, and accelerator is {accelerator!r}. {WITHOUT_GPU}")
    return seconds


def current_backend() -> Backend:
    """The backend that Keras runs on in this process."""
    if _started:
        return _started[0]
    import keras

    return get_backend(keras.backend.backend())


def is_machine_failure(error: BaseException) -> bool:
    """Whether `error` comes from this machine and not from the job: a missing GPU, or too little host memory."""
    if isinstance(error, DeviceError | MemoryError):
        return True
    return bool(_started) and _started[0].is_out_of_host_memory(error)
