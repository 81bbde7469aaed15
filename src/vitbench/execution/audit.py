"""The execution audit: what the libraries report that they executed, and an error where that is not as planned."""

import os
import sys

import keras

from vitbench.backends.process import current_backend


class NotAsPlannedError(Exception):
    """Something else was executed than the plan says; the message says what, and why if that is known."""


def audit_model(model: keras.Model) -> dict:
    """What the steps of `model` have been executed with so far, to be compared with the audits of other rows.

    jit_compile_resolved is what Keras decided, jit_compile_effective whether a compiler then compiled the step.
    """
    backend = current_backend()
    return {
        **audit_process(),
        "jit_compile_resolved": bool(model.jit_compile),
        "jit_compile_effective": bool(model.jit_compile) and backend.has_compiled_steps(model),
        "layers_without_jit": list(model.layers_without_jit),
        "attention": _attention(model),
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
    """Raises NotAsPlannedError if the step should be compiled and is not, or if the weights are not on the device.

    Call it after a step. `assemble` checks that Keras accepts jit_compile=True.
    """
    backend = current_backend()
    if model.jit_compile and not backend.has_compiled_steps(model):
        switches = ("JAX_DISABLE_JIT", "TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE")
        known = [f"{name}={os.environ[name]}" for name in switches if name in os.environ]
        reason = f" ({', '.join(known)} is set)" if known else ""
        raise NotAsPlannedError(f"the plan compiles the step, but {backend.name} ran it without compiling it{reason}")
    device, placement = backend.device()["type"], backend.placement(model)
    if placement != device:
        raise NotAsPlannedError(f"{backend.name} should compute on the {device}, but the weights are on: {placement}")


class CompilationWatch:
    """Counts what the backend compiles from now on, for the part of a job in which it should compile nothing."""

    def __init__(self):
        backend = current_backend()
        self.before, self.names_before = backend.compilations(), len(backend.compiled_names())

    def count(self) -> int:
        return current_backend().compilations() - self.before

    def check(self, where: str) -> None:
        """Raises NotAsPlannedError if anything was compiled; `where` completes "compiled again …"."""
        if count := self.count():
            backend, times = current_backend(), "once" if count == 1 else f"{count} times"
            names = ", ".join(dict.fromkeys(backend.compiled_names()[self.names_before :]))
            compiled = f" ({names})" if names else ""
            raise NotAsPlannedError(
                f"{backend.name} compiled again, {times}{compiled}, {where}: the timed steps are not a steady state"
            )


def _attention(model: keras.Model) -> str | None:
    """What the attention layers compute with: dot_product_attention, which may be fused, or einsum and softmax.

    Found by running each layer on one image's worth of zeros and seeing what it calls.
    """
    paths = set()
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.MultiHeadAttention) and layer.built:
            paths.add("dot_product_attention" if _calls_fused(layer) else "einsum and softmax")
    return ", ".join(sorted(paths)) or None


def _calls_fused(layer: keras.layers.MultiHeadAttention) -> bool:
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
