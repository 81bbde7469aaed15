"""The backend of this process: chosen once, before Keras is imported."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager

from vitbench.backends.base import Backend
from vitbench.backends.lean_import import lean_import
from vitbench.backends.registry import BACKENDS, get_backend
from vitbench.system.environment import usable_cores
from vitbench.system.logs import UserError, log

WITHOUT_GPU = (
    "The example at full size takes days on a CPU; `snakemake estimate` measures how many. To continue without a GPU, "
    "add --config accelerator=cpu; for a first look in minutes, run `make demo`"
)
# Lower-case parts of the errors of CUDA and the frameworks if a GPU cannot be used at all, or if its hardware fails. A
# kernel that fails, as with an illegal instruction or address, is the fault of the job.
_DEVICE_FAULTS = (
    "unable to initialize backend",
    "cuda driver initialization failed",
    "unexpected error from cudagetdevicecount",
    "no cuda-capable device",
    "busy or unavailable",
    "system not yet initialized",
    "driver version is insufficient",
    "driver on your system is too old",
    "uncorrectable ecc error",
    "ecc_uncorrectable",
    "eccuncorrectable",
    "uncorrectable nvlink error",
    "gpu is lost",
    "fallen off the bus",
)
_started: list[Backend] = []  # at most one


class DeviceError(UserError):
    """The machine has no GPU that works, but the config asks for one."""


def choose_backend(name: str) -> Backend:
    """Chooses the backend that Keras will use in this process, without importing it. Raises KeyError if unknown."""
    backend = get_backend(name)
    os.environ["KERAS_BACKEND"] = backend.keras_name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    return backend


def start_backend(name: str, precision: str, accelerator: str, allow_cpu: bool = False) -> dict[str, float]:
    """Imports Keras on backend `name`, sets `precision` and computes a first tensor.

    Returns the columns `import_seconds`, of the import, and `device_seconds`, of that tensor: JAX and TensorFlow
    initialise a GPU only then.

    Call it once per process, before anything imports Keras.

    precision: float32, tf32 or mixed_bfloat16. accelerator, allow_cpu: as in the config.

    Raises DeviceError if there is no GPU and `accelerator` is gpu, or auto without `allow_cpu`. Raises RuntimeError if
    Keras was imported before, on another backend, or if the backend does not compute with one thread per core.
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
    cores = len(usable_cores())
    backend.set_threads(cores)
    backend.configure()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "mixed_bfloat16" else "float32")
    backend.set_precision(precision)
    may_use_cpu = accelerator == "cpu" or (accelerator == "auto" and allow_cpu)
    if not may_use_cpu and backend.device()["type"] != "gpu":
        reason = backend.gpu_error()
        finding = f"{name} finds no GPU here" + (f" ({' '.join(reason.split())})" if reason else "")
        raise DeviceError(f"{finding}, and accelerator is {accelerator!r}. {WITHOUT_GPU}")
    if backend.device()["type"] == "cpu" and backend.threads() != cores:
        raise RuntimeError(f"{name} computes with {backend.threads()} threads, but this process may use {cores} cores")
    started = time.perf_counter()
    keras.ops.convert_to_numpy(keras.ops.ones((8,)) + 1)
    return {"import_seconds": seconds, "device_seconds": time.perf_counter() - started}


def current_backend() -> Backend:
    """The backend of this process. In a process that did not start one, it is the first that uses Keras' backend."""
    if _started:
        return _started[0]
    import keras

    return next(backend for backend in map(get_backend, BACKENDS) if backend.keras_name == keras.backend.backend())


@contextmanager
def raise_device_errors() -> Iterator[None]:
    """Raises DeviceError in place of an error that means that the GPU cannot be used or has failed.

    For functions that `vitbench.system.subprocesses` runs: of all errors, only UserError reaches its caller.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or not _is_device_fault(error):
            raise
        log.exception("the GPU cannot be used or has failed")
        raise DeviceError(f"the GPU of {platform.node()} cannot be used or has failed: {error}") from error


def is_machine_failure(error: BaseException) -> bool:
    """Whether `error` is due to this machine and not to the job: a GPU that is missing or broken, or too little memory.

    Memory is that of the host. A GPU may also break while the job runs.
    """
    if isinstance(error, DeviceError | MemoryError) or _is_device_fault(error):
        return True
    return bool(_started) and _started[0].is_out_of_host_memory(error)


def _is_device_fault(error: BaseException) -> bool:
    return any(part in str(error).lower() for part in _DEVICE_FAULTS)
