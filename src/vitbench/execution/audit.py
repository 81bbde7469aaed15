"""The execution audit: what the libraries report that they executed, and an error if that is not what was planned."""

import os
import sys

import keras

from vitbench.backends.process import current_backend


class NotAsPlannedError(Exception):
    """The libraries executed something other than the plan. The message says what and, if known, why."""


def audit_model(model: keras.Model) -> dict:
    """What the steps of `model` have been executed with so far. Two rows differ in execution if their audits differ.

    jit_compile_resolved: what Keras decided. jit_compile_effective: whether a compiler then compiled the step.
    """
    backend = current_backend()
    return {
        **audit_process(),
        "jit_compile_resolved": bool(model.jit_compile),
        "jit_compile_effective": bool(model.jit_compile) and backend.has_compiled_steps(model),
        "layers_without_jit": list(model.layers_without_jit),
        "attention": _attention_paths(model),
        "weights_on": backend.placement(model),
    }


def audit_process() -> dict:
    """The part of the audit that does not depend on the model."""
    backend = current_backend()
    return {
        "backend": backend.name,
        "backend_version": backend.version(),
        "keras_version": keras.__version__,
        "compilations": backend.compilations(),
        "tf32_effective": backend.tf32_effective(),
        "matmul_precision": backend.matmul_precision(),
        "dtype_policy": keras.config.dtype_policy().name,
        "device": backend.device(),
        "threads": backend.threads(),
    }


def check_execution(model: keras.Model) -> None:
    """Raises NotAsPlannedError if a step that should be compiled was not, or if the weights are not on the device.

    Call it after a step. `assemble` checks that Keras accepts jit_compile=True.
    """
    backend = current_backend()
    if model.jit_compile and not backend.has_compiled_steps(model):
        switches = [f"{name}={os.environ[name]}" for name in backend.compiler_switches if name in os.environ]
        reason = f" ({', '.join(switches)} is set)" if switches else ""
        raise NotAsPlannedError(f"the plan compiles the step, but {backend.name} ran it without compiling it{reason}")
    device, placement = backend.device()["type"], backend.placement(model)
    if placement != device:
        raise NotAsPlannedError(f"{backend.name} should compute on the {device}, but the weights are on: {placement}")


class CompilationWatch:
    """Counts the compilations since it was created, for the part of a job that should not compile anything."""

    def __init__(self):
        backend = current_backend()
        self._count_before = backend.compilations()
        self._names_before = len(backend.compiled_names())

    def count(self) -> int:
        return current_backend().compilations() - self._count_before

    def check(self, where: str) -> None:
        """Raises NotAsPlannedError if anything was compiled; `where` completes "compiled again …"."""
        count = self.count()
        if not count:
            return
        backend, times = current_backend(), "once" if count == 1 else f"{count} times"
        names = ", ".join(dict.fromkeys(backend.compiled_names()[self._names_before :]))
        functions = f" ({names})" if names else ""
        raise NotAsPlannedError(
            f"{backend.name} compiled again, {times}{functions}, {where}: the timed steps are not a steady state"
        )


def _attention_paths(model: keras.Model) -> str | None:
    """How the attention layers compute: "dot_product_attention", which may be fused, or "einsum and softmax".

    Keras does not report it, so each layer is called once on two tokens of zeros while its calls are watched.
    """
    paths = set()
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.MultiHeadAttention) and layer.built:
            paths.add("dot_product_attention" if _calls_dot_product_attention(layer) else "einsum and softmax")
    return ", ".join(sorted(paths)) or None


def _calls_dot_product_attention(layer: keras.layers.MultiHeadAttention) -> bool:
    ops, called = sys.modules[keras.layers.MultiHeadAttention.__module__].ops, []
    original = ops.dot_product_attention

    def watched(*arguments, **options):
        called.append(True)
        return original(*arguments, **options)

    width = layer.get_build_config()["shapes_dict"]["query_shape"][-1]
    ops.dot_product_attention = watched
    try:
        tokens = keras.ops.zeros((1, 2, width))
        layer(tokens, tokens)
    finally:
        ops.dot_product_attention = original
    return bool(called)
