"""The interface of a backend: everything that vitbench does differently on JAX, PyTorch and TensorFlow."""

import contextlib
import importlib.metadata
import os
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from vitbench.backends.plan import Plan
from vitbench.system.environment import usable_cores

if TYPE_CHECKING:
    import keras
    import numpy as np

# The attribute of a Keras model that holds a compiled function → the method of the model that this function runs.
STEP_FUNCTIONS = {"train_function": "train_step", "test_function": "test_step", "predict_function": "predict_step"}

# Lower-case parts of the errors of Python, C++ and CUDA when memory runs out. Libraries of CUDA that start late, when
# the memory is full, say only that they were not initialised.
_MEMORY_ERRORS = (
    "memoryerror",
    "unable to allocate",
    "std::bad_alloc",
    "out of memory",
    "out_of_memory",
    "cudaerrormemoryallocation",
    "status_alloc_failed",
    "cublas_status_not_initialized",
    "cudnn_status_not_initialized",
    "dnn library initialization failed",
)
_FAILED_ALLOCATION = re.compile(r"failed to allocate (request for )?\d[\d.,]*\s?([kmgt]?i?b|bytes?)\b")


class CompilerError(Exception):
    """This machine lacks what a compiled step needs; the message says what."""


class Backend(ABC):
    """A Keras backend. A process uses one, which `vitbench.backends.process.start_backend` starts.

    To add a backend, write a subclass in a module of this package. Set the class attributes that have no default and
    implement the abstract methods; override the others where the backend differs. Import the framework inside the
    methods only, because the class is also used in processes that run another backend or none. Then add a line to
    `vitbench.backends.registry.BACKENDS` and an environment to `envs/`.
    """

    name: ClassVar[str]  # in configs, paths, tables and the registry
    keras_name: ClassVar[str]  # the value of KERAS_BACKEND
    package: ClassVar[str]  # the module that Keras imports for this backend
    distributions: ClassVar[tuple[str, ...]]  # names under which the package may be installed, the preferred one first
    colour: ClassVar[str]  # in figures; from Okabe & Ito (2008), "Color Universal Design"
    marker: ClassVar[str]  # in figures, as Matplotlib names it
    has_native_vit: ClassVar[bool] = False  # whether `vitbench.models.native.registry` has a model for it

    # Environment variables that turn the compiler off; the audit names the ones that are set.
    compiler_switches: ClassVar[tuple[str, ...]] = ()

    # Environment variables that name a folder in which the compiler keeps what it has compiled.
    compilation_caches: ClassVar[tuple[str, ...]] = ()

    # Lower-case parts of the errors that this backend raises when memory runs out, and of those among them that mean
    # the memory of the host. Those of Python, NumPy, C++ and CUDA are known already.
    memory_errors: ClassVar[tuple[str, ...]] = ()
    host_memory_errors: ClassVar[tuple[str, ...]] = ()

    # A faster `vitbench.execution.affine.affine_transform` with the same arguments. A subclass that has one defines a
    # method of this name.
    fused_affine_transform: Callable[[Any, Any], Any] | None = None

    # A faster `keras.random.uniform` for the draws of `vitbench.execution.affine`, with the same arguments.
    fused_uniform: Callable[..., Any] | None = None

    def __init__(self) -> None:
        self._compiled_names: list[str] = []

    # Start. `start_backend` calls these in this order.

    def set_variables(self, accelerator: str) -> None:
        """Sets the environment variables that the framework reads when it is imported.

        accelerator: auto, gpu or cpu. For cpu the framework must not use a GPU.
        """
        if accelerator == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

    def set_threads(self, threads: int) -> None:
        """Makes the framework compute with this many threads on a CPU. Not needed if it follows the process's cores."""
        return

    def configure(self) -> None:
        """Configures the framework. Called once, after Keras was imported and before anything is computed."""
        return

    @abstractmethod
    def set_precision(self, precision: str) -> None:
        """Sets the arithmetic of float32 matrix products: full float32 for "float32", TF32 for "tf32".

        For "mixed_bfloat16" it is free, since `start_backend` sets the dtype policy.
        """

    # Randomness

    def set_seed(self, seed: int) -> None:
        """Seeds Python, NumPy and the framework. Unlike `keras.utils.set_random_seed` it imports no other backend."""
        import numpy as np

        random.seed(seed)
        np.random.seed(seed)

    def random_state(self) -> list["np.ndarray"]:
        """Copies of the states of the generators that belong to no layer; empty if the framework has none."""
        return []

    def set_random_state(self, state: list["np.ndarray"]) -> None:
        """Restores what `random_state` returned."""
        return

    # Device and memory

    @abstractmethod
    def synchronize(self) -> None:
        """Waits until the device has finished all submitted work."""

    @abstractmethod
    def device(self) -> dict[str, str | None]:
        """The device that this process computes on: `type`, cpu or gpu, and `name`, that of the GPU or None."""

    def gpu_error(self) -> str | None:
        """Why the framework cannot use a GPU, in its own words; None if it can, or does not say."""
        return None

    @abstractmethod
    def placement(self, model: "keras.Model") -> str:
        """Where the trainable weights of `model` are: "cpu", "gpu" or "cpu, gpu"."""

    def peak_memory_bytes(self) -> int | None:
        """The allocator's peak on the GPU so far, bytes; None on a CPU."""
        return self._allocator_peak_bytes() if self.device()["type"] == "gpu" else None

    @abstractmethod
    def _allocator_peak_bytes(self) -> int | None:
        """The allocator's peak so far, bytes. Called only if the device is a GPU."""

    def is_out_of_memory(self, error: str) -> bool:
        """Whether `error`, an exception's type and message, means that the memory of the host or device ran out.

        It imports no framework, so it can be called in any process.
        """
        text = error.lower()
        if "shared memory size limit exceeded" in text:  # that of a multiprocessor, too small for a kernel of XLA
            return False
        errors = (*_MEMORY_ERRORS, *self.memory_errors, *self.host_memory_errors)
        return any(part in text for part in errors) or bool(_FAILED_ALLOCATION.search(text))

    def is_out_of_host_memory(self, error: BaseException) -> bool:
        """Whether the memory of the host ran out, so that the same job may succeed on a machine with more."""
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError):
            return True
        if any(part in text.lower() for part in ("std::bad_alloc", *self.host_memory_errors)):
            return True
        return self.is_out_of_memory(text) and self.device()["type"] == "cpu"

    # Compilation

    def watch_model(self, model: "keras.Model") -> None:
        """Starts to count the compilations of `model`, if they are counted per model. Called before its first step."""
        return

    def compilations(self) -> int:
        """How often a compiler has run in this process."""
        return len(self._compiled_names)

    def compiled_names(self) -> list[str]:
        """The names of the functions that were compiled, oldest first; empty if they are not known."""
        return list(self._compiled_names)

    def has_compiled_steps(self, model: "keras.Model") -> bool:
        """Whether a compiler has compiled every step function that `model` has, which must be at least one."""
        steps = [step for function, step in STEP_FUNCTIONS.items() if getattr(model, function) is not None]
        return bool(steps) and all(any(step in name for name in self._compiled_names) for step in steps)

    def check_compiler(self) -> None:
        """Raises CompilerError if this machine lacks what a compiled step needs. Called before one is built."""
        return

    def capture_steps(self, model: "keras.Model") -> None:
        """Makes the steps of the compiled `model` run as CUDA graphs. Overridden where a candidate plan says so."""
        raise NotImplementedError(f"{self.name} has no plan with cuda_graph")

    # What is reported

    def version(self) -> str:
        """The installed version of the framework. Raises importlib.metadata.PackageNotFoundError if there is none."""
        for distribution in self.distributions:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                return importlib.metadata.version(distribution)
        raise importlib.metadata.PackageNotFoundError(self.distributions[0])

    @abstractmethod
    def supports_tf32(self) -> bool:
        """Whether the device is an NVIDIA GPU with TF32: compute capability 8.0 (Ampere) or later."""

    @abstractmethod
    def allows_tf32(self) -> bool:
        """Whether the framework is set to compute float32 products in TF32 on a device that supports it."""

    def tf32_effective(self) -> bool:
        """Whether float32 products may be computed in TF32 on this device."""
        return self.supports_tf32() and self.allows_tf32()

    @abstractmethod
    def matmul_precision(self) -> str:
        """The precision of float32 products, in the framework's own words."""

    def threads(self) -> int:
        """The number of threads that the framework computes with on a CPU, as it reports them if it does."""
        return len(usable_cores())

    # Plans

    @abstractmethod
    def candidate_plans(self, augmented: bool, on_gpu: bool) -> list[Plan]:
        """The plans that `tune` compares first. The likely fastest comes first, so that slower ones are cut short.

        augmented: whether vitbench augments the model's training images. on_gpu: whether the job computes on a GPU.
        """

    @abstractmethod
    def plan_variations(self, augmented: bool) -> list[dict[str, Any]]:
        """The changes that `tune` then applies to the best plan, one after the other, as fields of Plan."""

    def repeat_batch(self, images: "np.ndarray", labels: "np.ndarray", steps: int) -> Any:
        """An argument for `fit` that trains `steps` steps on one batch, which stays on the device.

        images: uint8 (batch, H, W, 3). labels: int32 (batch,).
        """
        import keras

        class RepeatedBatch(keras.utils.PyDataset):
            batch = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels)

            def __len__(self) -> int:
                return steps

            def __getitem__(self, step: int):
                return self.batch

        return RepeatedBatch()


def join_device_types(types: set[str]) -> str:
    """Summarises a framework's names of device types as "cpu", "gpu" or "cpu, gpu". Any name but "cpu" means a GPU."""
    return ", ".join(sorted({"cpu" if name == "cpu" else "gpu" for name in types}))
