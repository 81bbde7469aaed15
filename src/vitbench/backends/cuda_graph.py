"""Captures the steps of a Keras model on PyTorch as CUDA graphs, one for each batch shape.

A step launches about a thousand kernels, and Keras and PyTorch take longer to launch them than a GPU takes to run them.
A graph launches them all at once. It repeats the same work on the same memory, so the step must depend on nothing but
the batch and tensors on the GPU. Every value that a step copies from the host is therefore checked to be constant.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from vitbench.backends.process import current_backend

WARMUP_STEPS = 2  # before a capture; libraries initialise themselves in the first


class NotConstantError(Exception):
    """A step copied a value from the host that differs between steps, so a graph would repeat a wrong one."""


class HostConstants(TorchFunctionMode):
    """Gives the GPU tensors of the host values that a step converts. None is copied twice.

    The first step converts them. `repeat` then checks that a step converts the same values in the same order.
    """

    def __init__(self):
        super().__init__()
        self._constants: list[tuple[tuple, torch.Tensor]] = []
        self._position: int | None = None  # of the next constant, while a step is repeated

    @contextmanager
    def repeat(self) -> Iterator[None]:
        """A step in this block may only convert the constants of the step before. Raises NotConstantError if not."""
        self._position = 0
        with self:
            yield
        if self._position != len(self._constants):
            raise NotConstantError(f"a step copied {len(self._constants)} values from the host, the next fewer")

    @contextmanager
    def record(self) -> Iterator[None]:
        """Records the constants of the step in this block."""
        self._constants, self._position = [], None
        with self:
            yield

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is not torch.as_tensor or not args or isinstance(args[0], torch.Tensor):
            return func(*args, **kwargs)
        value = np.asarray(args[0])
        key = (value.dtype.str, value.shape, value.tobytes(), kwargs.get("dtype"), str(kwargs.get("device")))
        if self._position is None:
            self._constants.append((key, func(*args, **kwargs)))
            return self._constants[-1][1]
        if self._position == len(self._constants) or self._constants[self._position][0] != key:
            raise NotConstantError(f"a step copied {args[0]!r} from the host, which the step before did not")
        self._position += 1
        return self._constants[self._position - 1][1]


class CapturedStep:
    """A step function of a Keras model that runs as a CUDA graph; see `keras.Model.make_train_function`.

    model: compiled. step: takes a list with one batch, a tuple of tensors. keeps_outputs: whether the caller keeps the
    outputs of one step while the next one runs. pool: the memory that the graphs of a model share.
    """

    def __init__(self, model, step: Callable[[list], Any], keeps_outputs: bool, pool):
        self._model, self._step, self._keeps_outputs, self._pool = model, step, keeps_outputs, pool
        self._captured: dict[tuple, tuple] = {}

    def __call__(self, data: list) -> Any:
        batch = data[0] if isinstance(data[0], tuple | list) else (data[0],)
        tensors = [torch.as_tensor(value) for value in batch if value is not None]
        shapes = tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors)
        if shapes not in self._captured:
            self._captured[shapes] = self._capture(tensors)
        graph, inputs, outputs, _ = self._captured[shapes]
        for tensor, value in zip(inputs, tensors, strict=True):
            tensor.copy_(value, non_blocking=True)
        graph.replay()
        return _clone(outputs) if self._keeps_outputs else outputs

    def _capture(self, batch: list[torch.Tensor]) -> tuple:
        """The graph of a step on a batch of this shape, its inputs, its outputs, and the constants that it reads."""
        # A step that ran before on another stream, and whose autograd graph still exists, would break the capture.
        gc.collect()
        inputs = [tensor.to("cuda", copy=True) for tensor in batch]
        constants, stream = HostConstants(), torch.cuda.Stream()
        with preserve_state(self._model):
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARMUP_STEPS):
                    with constants.record():
                        self._step([tuple(inputs)])
            torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with constants.repeat(), torch.cuda.graph(graph, pool=self._pool):
            outputs = self._step([tuple(inputs)])
        _captures.append(f"CUDA graph of a batch of {len(inputs[0])}")
        return graph, inputs, outputs, constants


@contextmanager
def preserve_state(model) -> Iterator[None]:
    """Restores the weights, optimizer, metrics and generators of the compiled `model` at the end of the block.

    Everything is copied on the device. Metrics that were made in the block are reset.
    """
    backend = current_backend()
    model.optimizer.build(model.trainable_variables)
    metrics = len(model.metrics_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    saved = [(variable.value.detach(), variable.value.detach().clone()) for variable in variables]
    random_state = backend.random_state()
    yield
    for tensor, value in saved:
        tensor.copy_(value)
    backend.set_random_state(random_state)
    if len(model.metrics_variables) != metrics:
        model.reset_metrics()
    backend.synchronize()


_captures: list[str] = []  # of this process, oldest first


def captured_names() -> list[str]:
    """What has been captured in this process, oldest first."""
    return list(_captures)


def capture_steps(model) -> None:
    """Makes the training, test and prediction steps of the compiled Keras `model` run as CUDA graphs."""
    pool = torch.cuda.graph_pool_handle()
    for name in ("train", "test", "predict"):
        getattr(model, f"make_{name}_function")(force=True)
        step = getattr(model, f"{name}_function")
        setattr(model, f"{name}_function", CapturedStep(model, step, name == "predict", pool))


def _clone(outputs: Any) -> Any:
    return tree_map(lambda output: output.clone() if isinstance(output, torch.Tensor) else output, outputs)
