"""JAX, whose steps XLA compiles."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitbench.backends.base import Backend, join_device_types
from vitbench.backends.plan import Plan


class JaxBackend(Backend):
    name = keras_name = package = "jax"
    distributions = ("jax",)
    colour, marker = "#0072b2", "o"
    has_native_vit = True
    compiler_switches = ("JAX_DISABLE_JIT",)
    compilation_caches = ("JAX_COMPILATION_CACHE_DIR",)
    memory_errors = ("resource_exhausted",)

    def set_variables(self, accelerator: str) -> None:
        super().set_variables(accelerator)
        if accelerator == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"
        # Like torch, allocate memory when it is needed, and up to nearly all of the GPU's instead of 75 %.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if "XLA_CLIENT_MEM_FRACTION" not in os.environ:  # newer name of the variable below; JAX refuses both
            os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.95")

    def configure(self) -> None:
        import jax

        def record(event: str, duration_secs: float, **details: str | int) -> None:
            if event.endswith("backend_compile_duration"):
                self._compiled_names.append(str(details.get("fun_name", "")))

        jax.monitoring.register_event_duration_secs_listener(record)

    def set_precision(self, precision: str) -> None:
        import jax

        # "default" is TF32 on a GPU. With the explicit name "tensorfloat32", XLA does not use Triton's matrix products,
        # not even for bfloat16.
        jax.config.update("jax_default_matmul_precision", "highest" if precision == "float32" else "default")

    def synchronize(self) -> None:
        import jax

        # While fit runs, Keras keeps the state beside the model, in a container that JAX does not traverse. So wait for
        # every array that exists.
        jax.block_until_ready(jax.live_arrays())

    def device(self) -> dict[str, str | None]:
        import jax

        first = jax.devices()[0]
        return {"type": "cpu", "name": None} if first.platform == "cpu" else {"type": "gpu", "name": first.device_kind}

    def gpu_error(self) -> str | None:
        import jax

        try:
            jax.devices("gpu")
        except RuntimeError as error:
            return str(error)
        return None

    def placement(self, model) -> str:
        variables = model.trainable_variables
        return join_device_types({device.platform for variable in variables for device in variable.value.devices()})

    def supports_tf32(self) -> bool:
        import jax

        if self.device()["type"] == "cpu":
            return False
        capability = str(getattr(jax.devices()[0], "compute_capability", ""))  # a name on AMD GPUs
        major = capability.partition(".")[0]
        return major.isdigit() and int(major) >= 8

    def _allocator_peak_bytes(self) -> int | None:
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")

    def allows_tf32(self) -> bool:
        return self.matmul_precision() != "highest"

    def matmul_precision(self) -> str:
        import jax

        return str(jax.config.jax_default_matmul_precision)  # pyright: ignore[reportAttributeAccessIssue]

    def threads(self) -> int:
        """The threads in the pool of XLA's client for the CPU; its size cannot be set or read through JAX."""
        if self.device()["type"] != "cpu":
            return super().threads()
        names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]
        return names.count("tf_XLAEigen") or super().threads()

    def candidate_plans(self, augmented: bool, on_gpu: bool) -> list[Plan]:
        """On a GPU, steps that XLA does not compile are slower by more than an order of magnitude, so none is tried."""
        compiled = Plan(jit_compile=True)
        plans = [compiled] if on_gpu else [compiled, Plan(jit_compile=False)]
        return [replace(compiled, augmentation="sampler"), *plans] if augmented else plans

    def plan_variations(self, augmented: bool) -> list[dict[str, Any]]:
        outside = [{"augmentation": "outside", "input_pipeline": "batches"}] if augmented else []
        return [{"input_pipeline": "device"}, {"steps_per_execution": 8}, *outside]
