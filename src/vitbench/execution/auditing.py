"""What really runs, read back from the libraries rather than from the plan, and where that is not as planned."""

import importlib.metadata
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from vitbench.execution.devices import device, has_tf32, placement

if TYPE_CHECKING:
    import keras

_STEPS = {"train_function": "train_step", "test_function": "test_step", "predict_function": "predict_step"}
_compiled: list[str] = []  # the functions that JAX compiled in this process, or the steps that TensorFlow traced


class NotAsPlannedError(Exception):
    """Something else was executed than the plan says; the message says what, and why where that is known."""


def watch_jax() -> None:
    """Keeps from now on what JAX compiles. To be called once per process."""
    import jax

    def compiled(event: str, _seconds: float, **details) -> None:
        if event.endswith("backend_compile_duration"):
            _compiled.append(str(details.get("fun_name", "")))

    jax.monitoring.register_event_duration_secs_listener(compiled)


def watch_tensorflow(model: "keras.Model") -> None:
    """Keeps from now on which steps of `model` TensorFlow traces. To be called before it has run one."""
    import tensorflow as tf

    def watched(name: str, step: Callable) -> Callable:
        def traced_step(data):
            if tf.inside_function():
                _compiled.append(name)
            return step(data)

        return traced_step

    for name in _STEPS.values():
        setattr(model, name, watched(name, getattr(model, name)))


def audit(model: "keras.Model") -> dict:
    """What the steps of `model` have been executed with so far; compare audits of other rows with it.

    jit_compile_resolved is what Keras decided, jit_compile_effective whether a compiler compiled the step after that.
    """
    return {
        **audit_of_process(),
        "jit_compile_resolved": bool(model.jit_compile),
        "jit_compile_effective": bool(model.jit_compile) and _step_compiled(model),
        "layers_without_jit": list(model.layers_without_jit),
        "attention": _attention(model),
        "weights_on": placement(model),
    }


def audit_of_process() -> dict:
    """The part of it that is the same for whatever this process executes."""
    import keras

    backend = keras.backend.backend()
    return {
        "backend": backend,
        "backend_version": importlib.metadata.version(_distribution(backend)),
        "keras_version": keras.__version__,
        "compilations": compilations(),
        "tf32_effective": _tf32(backend),
        "matmul_precision": _matmul_precision(backend),
        "dtype_policy": keras.config.dtype_policy().name,
        "device": device(),
        "threads": _threads(backend),
    }


def check(model: "keras.Model") -> None:
    """Raises NotAsPlannedError if the step was to be compiled and was not, or if the weights are not on the device.

    To be called after a step. That a plan of jit_compile=True is not turned down is seen to by `assemble`.
    """
    import keras

    backend = keras.backend.backend()
    if model.jit_compile and not _step_compiled(model):
        switches = ("JAX_DISABLE_JIT", "TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE")
        known = [f"{name}={os.environ[name]}" for name in switches if name in os.environ]
        because = f" ({', '.join(known)} is set)" if known else ""
        raise NotAsPlannedError(f"the step was to be compiled, but {backend} has run it without compiling it{because}")
    if (found := placement(model)) != device()["type"]:
        raise NotAsPlannedError(f"{backend} should compute on the {device()['type']}, but the weights are on: {found}")


class Compilations:
    """What the backend's compiler did since this was made: for the part of a job in which it should do nothing."""

    def __init__(self):
        self.before, self.named_before = compilations(), len(_compiled)

    def count(self) -> int:
        return compilations() - self.before

    def check(self, when: str) -> None:
        """Raises NotAsPlannedError if there was any."""
        import keras

        if count := self.count():
            backend, times = keras.backend.backend(), "once" if count == 1 else f"{count} times"
            names = ", ".join(dict.fromkeys(_compiled[self.named_before :]))
            what = f" ({names})" if names else ""
            raise NotAsPlannedError(
                f"{backend} compiled again, {times}{what}, {when}: what was timed is no steady state"
            )


def compilations() -> int:
    """How often a compiler has run in this process: XLA for JAX, Dynamo for torch.

    For TensorFlow, how often a step was traced. XLA compiles a traced step once per shape of batch, which is not seen.
    """
    import keras

    return _dynamo_frames() if keras.backend.backend() == "torch" else len(_compiled)


def _step_compiled(model: "keras.Model") -> bool:
    """Whether a compiler has compiled each step function that `model` has."""
    import keras

    if keras.backend.backend() == "torch":
        return _dynamo_frames() > 0
    steps = [step for function, step in _STEPS.items() if getattr(model, function) is not None]
    return bool(steps) and all(any(step in name for name in _compiled) for step in steps)


def _dynamo_frames() -> int:
    """How often Dynamo has compiled a frame, recompilations among them."""
    utils = sys.modules.get("torch._dynamo.utils")
    return utils.counters["frames"]["ok"] if utils else 0


def _attention(model: "keras.Model") -> str | None:
    """What the attention layers compute with: dot_product_attention, which may be fused, or einsum and softmax.

    Found by running each layer on one image's worth of zeros and seeing what it calls.
    """
    import keras

    paths = set()
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.MultiHeadAttention) and layer.built:
            paths.add("dot_product_attention" if _calls_fused(layer) else "einsum and softmax")
    return ", ".join(sorted(paths)) or None


def _calls_fused(layer: "keras.layers.MultiHeadAttention") -> bool:
    import keras

    ops, called = sys.modules[keras.layers.MultiHeadAttention.__module__].ops, []
    fused = ops.dot_product_attention

    def watched(*arguments, **options):
        called.append(True)
        return fused(*arguments, **options)

    width = layer.get_build_config()["shapes_dict"]["query_shape"][-1]
    ops.dot_product_attention = watched
    try:
        tokens = keras.ops.zeros((1, 2, width))
        layer(tokens, tokens)
    finally:
        ops.dot_product_attention = fused
    return bool(called)


def _distribution(backend: str) -> str:
    if backend != "tensorflow":
        return backend
    names = ("tensorflow", "tensorflow-cpu", "tensorflow_cpu")
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    return next((name for name in names if name in installed), "tensorflow")


def _tf32(backend: str) -> bool:
    """Whether a float32 product on this device may be computed in TF32; never on a CPU, nor on GPUs before Ampere."""
    if not has_tf32():
        return False
    if backend == "jax":
        import jax

        return jax.config.jax_default_matmul_precision != "highest"
    if backend == "torch":
        import torch

        return torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    import tensorflow as tf

    return tf.config.experimental.tensor_float_32_execution_enabled()


def _matmul_precision(backend: str) -> str:
    """The precision of float32 products in the library's own words."""
    if backend == "jax":
        import jax

        return str(jax.config.jax_default_matmul_precision)
    if backend == "torch":
        import torch

        return torch.get_float32_matmul_precision()
    import tensorflow as tf

    return "tensorfloat32" if tf.config.experimental.tensor_float_32_execution_enabled() else "float32"


def _threads(backend: str) -> int:
    if backend == "torch":
        import torch

        return torch.get_num_threads()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
