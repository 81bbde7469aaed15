"""PyTorch, whose steps run eagerly or are compiled by torch.compile."""

import os
import shutil
import sys
from dataclasses import replace
from typing import Any

from vitbench.backends.base import Backend, CompilerError, join_device_types
from vitbench.backends.plan import Plan


class TorchBackend(Backend):
    name = keras_name = package = "torch"
    distributions = ("torch",)
    colour, marker = "#d55e00", "s"
    has_native_vit = True
    compiler_switches = ("TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE")
    compilation_caches = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
    memory_errors = ("outofmemoryerror",)
    host_memory_errors = ("defaultcpuallocator: ",)

    def set_variables(self, accelerator: str) -> None:
        super().set_variables(accelerator)
        if accelerator == "cpu":
            os.environ["KERAS_TORCH_DEVICE"] = "cpu"  # otherwise Keras would use Apple's GPU
        if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:  # a shared cache would shorten later startup times
            from vitbench.system.scratch import scratch_folder  # needs filelock, which a process that only plans lacks

            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(scratch_folder())

    def set_threads(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)

    def set_precision(self, precision: str) -> None:
        import torch

        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"

    def set_seed(self, seed: int) -> None:
        import torch

        super().set_seed(seed)
        torch.manual_seed(seed)

    def random_state(self) -> list:
        """The states of the generators of the CPU and each GPU, which Keras' dropout draws from."""
        import numpy as np
        import torch

        return [np.array(state.numpy()) for state in (torch.get_rng_state(), *torch.cuda.get_rng_state_all())]

    def set_random_state(self, state: list) -> None:
        import torch

        if state:
            cpu_state, *gpu_states = (torch.from_numpy(values) for values in state)
            torch.set_rng_state(cpu_state)
            for number, values in enumerate(gpu_states[: torch.cuda.device_count()]):
                torch.cuda.set_rng_state(values, number)

    def synchronize(self) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()

    def device(self) -> dict[str, str | None]:
        import torch

        if torch.cuda.is_available():
            return {"type": "gpu", "name": torch.cuda.get_device_name()}
        return {"type": "cpu", "name": None}

    def gpu_error(self) -> str | None:
        import torch

        try:
            torch.cuda.init()
        except (AssertionError, RuntimeError) as error:  # the first from a build without CUDA
            return str(error)
        return None

    def placement(self, model) -> str:
        return join_device_types({variable.value.device.type for variable in model.trainable_variables})

    def supports_tf32(self) -> bool:
        import torch

        if self.device()["type"] == "cpu":
            return False
        return torch.version.cuda is not None and torch.cuda.get_device_capability() >= (8, 0)

    def _allocator_peak_bytes(self) -> int | None:
        import torch

        return torch.cuda.max_memory_allocated()

    def compilations(self) -> int:
        """How often Dynamo has compiled a frame, recompilations included, or a step was captured as a CUDA graph."""
        return self._compiled_frames() + len(self.compiled_names())

    def compiled_names(self) -> list[str]:
        """The CUDA graphs. Dynamo does not name the frames."""
        module = sys.modules.get("vitbench.backends.cuda_graph")
        return module.captured_names() if module else []

    def check_compiler(self) -> None:
        """torch.compile calls a C compiler on a GPU, through Triton, and a C++ compiler on a CPU."""
        variable, names = ("CC", ["gcc", "clang"]) if self.device()["type"] == "gpu" else ("CXX", ["g++", "clang++"])
        if not any(shutil.which(name) for name in [os.environ.get(variable, ""), *names]):
            tried = " or ".join(names)
            raise CompilerError(
                f"torch.compile needs a compiler: install {tried}, or set {variable} to the path of one"
            )

    def has_compiled_steps(self, model) -> bool:
        return self._compiled_frames() > 0

    def _compiled_frames(self) -> int:
        utils = sys.modules.get("torch._dynamo.utils")
        return utils.counters["frames"]["ok"] if utils else 0

    def capture_steps(self, model) -> None:
        from vitbench.backends.cuda_graph import capture_steps

        capture_steps(model)

    def allows_tf32(self) -> bool:
        return "tf32" in _float32_precisions()

    def matmul_precision(self) -> str:
        """In the words of torch.set_float32_matmul_precision, which may differ from what was set last."""
        precision = _float32_precisions()[0]
        return {"ieee": "highest", "none": "highest", "tf32": "high"}.get(precision, precision)

    def threads(self) -> int:
        import torch

        return torch.get_num_threads()

    def candidate_plans(self, augmented: bool, on_gpu: bool) -> list[Plan]:
        """On a GPU, steps that are not captured wait for launches, and torch.compile needs minutes."""
        compiled, plain = Plan(jit_compile=True), Plan(jit_compile=False)
        graphs = [Plan(jit_compile=False, cuda_graph=True)] if on_gpu else []
        if not augmented:
            return [*graphs, plain, compiled]
        plans = [Plan(jit_compile=False, augmentation="sampler"), plain, Plan(jit_compile=True, augmentation="sampler")]
        return [*(replace(graph, augmentation="sampler") for graph in graphs), *plans]

    def plan_variations(self, augmented: bool) -> list[dict[str, Any]]:
        """On torch, Keras always runs one step per execution, so that is not varied."""
        outside = [{"augmentation": "outside", "input_pipeline": "batches"}] if augmented else []
        return [{"input_pipeline": "device"}, *outside]

    def fused_uniform(self, shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        """Draws from PyTorch's own generator. Keras makes a generator for each draw and reads its seed off the GPU."""
        import keras
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        numbers = torch.rand(tuple(shape), device=device) * (maxval - minval) + minval
        return numbers if dtype is None else keras.ops.cast(numbers, dtype)

    def fused_affine_transform(self, images, transform):
        """One call of grid_sample for the whole batch, where Keras runs about fifty operations for each image."""
        import torch

        height, width = images.shape[1:3]
        columns = torch.arange(width, dtype=transform.dtype, device=transform.device)
        rows = torch.arange(height, dtype=transform.dtype, device=transform.device)[:, None]
        a0, a1, a2, b0, b1, b2 = (transform[:, i, None, None] for i in range(6))
        x, y = a0 * columns + a1 * rows + a2, b0 * columns + b1 * rows + b2
        # The coordinates of grid_sample run from −1 at the left or upper edge of the image to 1 at the opposite edge.
        grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1).to(images.dtype)
        options = {"mode": "bilinear", "padding_mode": "reflection", "align_corners": False}
        return torch.nn.functional.grid_sample(images.permute(0, 3, 1, 2), grid, **options).permute(0, 2, 3, 1)


def _float32_precisions() -> list[str]:
    """PyTorch's names of the arithmetic of float32 matrix products, convolutions and recurrent layers on a GPU.

    A model may have set any of them by the interface of PyTorch 2.9. Then the older one raises RuntimeError, or returns
    what was set before.
    """
    from torch import backends

    if hasattr(backends.cuda.matmul, "fp32_precision"):
        cudnn: Any = backends.cudnn
        return [str(operator.fp32_precision) for operator in (backends.cuda.matmul, cudnn.conv, cudnn.rnn)]
    return ["tf32" if older.allow_tf32 else "ieee" for older in (backends.cuda.matmul, backends.cudnn)]
