"""The interface of a backend: all that vitbench does differently on JAX, PyTorch and TensorFlow."""

import importlib.metadata
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from vitbench.backends.plan import Plan

if TYPE_CHECKING:
    import keras
    import numpy as np

# The attribute of a Keras model that holds a compiled function, and the method that the function runs.
STEP_FUNCTIONS = {"train_function": "train_step", "test_function": "test_step", "predict_function": "predict_step"}


class Backend(ABC):
    """One Keras backend in this process. Methods import the framework when they are called, never the module.

    A subclass sets the class attributes and implements the abstract methods; the others have defaults.
    """

    name: ClassVar[str]  # in configs, paths, tables and the registry
    keras_name: ClassVar[str]  # the value of KERAS_BACKEND
    package: ClassVar[str]  # the module that Keras imports for this backend
    distributions: ClassVar[tuple[str, ...]]  # names under which the package may be installed, in order of preference
    colour: ClassVar[str]  # of the figures, from Okabe & Ito (2008), "Color Universal Design"
    marker: ClassVar[str]  # of the figures, as Matplotlib names it
    has_native_vit: ClassVar[bool] = False  # whether vitbench.models.native has a `<name>_vit` module

    # (images (batch, H, W, C), transform (batch, 8)) -> images: a faster affine sampler than the generic one, if any.
    fused_affine_transform: Callable[[Any, Any], Any] | None = None

    _memory_errors: ClassVar[tuple[str, ...]] = ()  # lower-case words of this backend's out-of-memory errors

    def __init__(self) -> None:
        self._compiled: list[str] = []

    # Start

    def set_variables(self, accelerator: str) -> None:
        """Sets the environment variables that the framework reads when it is imported."""
        if accelerator == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

    def configure(self) -> None:
        """Configures the framework once, right after Keras was imported."""
        return

    @abstractmethod
    def set_precision(self, precision: str) -> None:
        """Sets the arithmetic of float32 products: TF32 where `precision` is tf32, full float32 where it is float32."""

    # Randomness

    def set_seed(self, seed: int) -> None:
        """Seeds Python, NumPy and the framework. Unlike `keras.utils.set_random_seed` it imports no other backend."""
        import numpy as np

        random.seed(seed)
        np.random.seed(seed)

    def random_state(self) -> list["np.ndarray"]:
        """Copies of the states of generators that belong to no layer; empty where there is none."""
        return []

    def set_random_state(self, state: list["np.ndarray"]) -> None:
        """Restores what `random_state` returned."""
        return

    # Device

    @abstractmethod
    def synchronize(self) -> None:
        """Returns when the device has finished all the work that was submitted."""

    @abstractmethod
    def device(self) -> dict[str, str | None]:
        """The device that this process computes on: `type`, cpu or gpu, and the `name` of a GPU."""

    @abstractmethod
    def placement(self, model: "keras.Model") -> str:
        """Where the weights of `model` are: cpu, gpu, or both, comma-separated."""

    @abstractmethod
    def supports_tf32(self) -> bool:
        """Whether the device is an NVIDIA GPU with TF32: compute capability 8.0 (Ampere) or later."""

    def peak_memory_bytes(self) -> int | None:
        """The allocator's peak on the GPU, bytes; None on a CPU."""
        return self._allocator_peak_bytes() if self.device()["type"] == "gpu" else None

    @abstractmethod
    def _allocator_peak_bytes(self) -> int | None: ...

    def is_out_of_memory(self, error: str) -> bool:
        """Whether `error`, an exception's type and message, says that memory ran out, on the host or the device."""
        words = (
            *("memoryerror", "unable to allocate", "std::bad_alloc"),  # Python, NumPy, C++
            *("out of memory", "out_of_memory", "status_alloc_failed"),  # CUDA, cuBLAS, cuDNN
            *self._memory_errors,
        )
        return any(word in error.lower() for word in words)

    def is_out_of_host_memory(self, error: BaseException) -> bool:
        """Whether the memory of the host ran out, so that the same job may succeed with more."""
        text = f"{type(error).__name__}: {error}"
        on_host = isinstance(error, MemoryError) or "std::bad_alloc" in text or "DefaultCPUAllocator" in text
        return on_host or (self.is_out_of_memory(text) and self.device()["type"] == "cpu")

    # What was executed

    def watch_model(self, model: "keras.Model") -> None:
        """Starts to count the compilations of `model`, where they are counted per model. Call it before any step."""
        return

    def compilations(self) -> int:
        """How often a compiler has run in this process."""
        return len(self._compiled)

    def compiled_names(self) -> list[str]:
        """The names of the functions that were compiled, oldest first; empty where they are not known."""
        return list(self._compiled)

    def has_compiled_steps(self, model: "keras.Model") -> bool:
        """Whether a compiler has compiled each step function that `model` has."""
        steps = [step for function, step in STEP_FUNCTIONS.items() if getattr(model, function) is not None]
        return bool(steps) and all(any(step in name for name in self._compiled) for step in steps)

    def version(self) -> str:
        """The installed version of the framework."""
        return importlib.metadata.version(self._installed_distribution())

    def _installed_distribution(self) -> str:
        installed = {found.metadata["Name"] for found in importlib.metadata.distributions()}
        return next((name for name in self.distributions if name in installed), self.distributions[0])

    def tf32_effective(self) -> bool:
        """Whether a float32 product on this device may be computed in TF32."""
        return self.supports_tf32() and self._allows_tf32()

    @abstractmethod
    def _allows_tf32(self) -> bool: ...

    @abstractmethod
    def matmul_precision(self) -> str:
        """The precision of float32 products in the framework's own words."""

    def threads(self) -> int:
        """The threads that the framework computes with on a CPU."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    # Plans

    @abstractmethod
    def candidate_plans(self, augmented: bool) -> list[Plan]:
        """The plans that `tune` compares first, likely winners in front, so that the others are abandoned early."""

    @abstractmethod
    def plan_variations(self, augmented: bool) -> list[dict[str, Any]]:
        """The changes to the best plan that `tune` then tries in turn, as fields of Plan."""

    def repeat_batch(self, images: "np.ndarray", labels: "np.ndarray", steps: int) -> Any:
        """What `fit` takes to train `steps` steps on one batch without drawing or moving one."""
        import keras

        class RepeatedBatch(keras.utils.PyDataset):
            batch = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels)

            def __len__(self) -> int:
                return steps

            def __getitem__(self, step: int):
                return self.batch

        return RepeatedBatch()
