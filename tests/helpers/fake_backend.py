"""A backend that vitbench does not know: what one file has to contain. It computes with JAX and records its calls."""

import importlib.metadata

from vitbench.backends.base import Backend
from vitbench.backends.plan import Plan


class FakeBackend(Backend):
    name = "fake"
    keras_name = package = "jax"
    distributions = ("jax",)
    colour, marker = "#cc79a7", "D"

    def __init__(self):
        super().__init__()
        self.calls: list[str] = []

    def configure(self):
        self.calls.append("configure")

    def set_precision(self, precision):
        self.calls.append(f"set_precision {precision}")

    def synchronize(self):
        import jax

        self.calls.append("synchronize")
        jax.block_until_ready(jax.live_arrays())

    def device(self):
        return {"type": "cpu", "name": None}

    def placement(self, model):
        return "cpu"

    def _allocator_peak_bytes(self):
        raise AssertionError("a CPU has no allocator to ask")

    def watch_model(self, model):
        self.calls.append(f"watch_model {model.name}")

    def compilations(self):
        return 0

    def has_compiled_steps(self, model):
        return True

    def version(self):
        return importlib.metadata.version("jax") + "+fake"

    def supports_tf32(self):
        return False

    def allows_tf32(self):
        return False

    def matmul_precision(self):
        return "exact"

    def candidate_plans(self, augmented, on_gpu):
        return [Plan(jit_compile=True), Plan(jit_compile=False)]

    def plan_variations(self, augmented):
        return [{"input_pipeline": "device"}]
