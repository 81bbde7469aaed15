"""Processes that hold one backend each and call functions in turn, so that each backend is imported only once."""

import importlib.metadata
import multiprocessing
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from packaging import version

BACKENDS = tuple(name for name in ("jax", "torch", "tensorflow") if find_spec(name))  # those that are installed
REPOSITORY = Path(__file__).parents[2]
TIMEOUT_SECONDS = 600

# Compilation takes most of the time, and little is computed afterwards. Numbers hardly depend on the level.
XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if find_spec("jaxlib") and version.parse(importlib.metadata.version("jaxlib")) < version.parse("0.11"):
    XLA_FLAGS += " --xla_cpu_use_fusion_emitters=false"  # later versions end the process if a flag is unknown
VARIABLES = {"XLA_FLAGS": XLA_FLAGS}


class BackendProcess:
    """A process that has started one backend in float32. It lives until `close` is called.

    accelerator: as in the config.
    """

    def __init__(self, backend: str, variables: Mapping[str, str] | None = None, accelerator: str = "cpu"):
        self.backend = backend
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(backend, VARIABLES | dict(variables or {}), accelerator),
        )

    def call(self, function: str, *arguments: Any) -> Any:
        """Calls "module:function" in the process and returns what it returns, which must be picklable."""
        try:
            return self._pool.submit(_call, function, arguments).result(TIMEOUT_SECONDS)
        except Exception as error:
            error.add_note(f"in the process of {self.backend}")
            raise

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class BackendProcesses:
    """One process per backend, each started at its first call."""

    def __init__(self, variables: Mapping[str, str] | None = None):
        self._variables = variables
        self._processes: dict[str, BackendProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.close()

    def call(self, backend: str, function: str, *arguments: Any) -> Any:
        """Calls "module:function" in the process of `backend`."""
        if backend not in self._processes:
            self._processes[backend] = BackendProcess(backend, self._variables)
        return self._processes[backend].call(function, *arguments)

    def call_each(
        self, function: str, *arguments: Any, backends: Sequence[str] = BACKENDS, at_once: int = 2
    ) -> dict[str, Any]:
        """Calls "module:function" in the process of each backend, `at_once` at a time; the results by backend."""
        with ThreadPoolExecutor(at_once) as pool:
            results = pool.map(lambda backend: self.call(backend, function, *arguments), backends)
            return dict(zip(backends, results, strict=True))


def subprocess_environment() -> dict[str, str]:
    """The environment variables of a Python process that finds the package and the tests, and no GPU."""
    path = os.pathsep.join(str(REPOSITORY / folder) for folder in ("src", "tests"))
    return os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"}


def _start(backend: str, variables: Mapping[str, str], accelerator: str) -> None:
    """Runs once in a new process, before anything imports Keras."""
    os.environ.update(variables)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from vitbench.backends.process import start_backend

    start_backend(backend, "float32", accelerator)


def _call(function: str, arguments: tuple) -> Any:
    """Runs in the process. Names and random numbers do not depend on the calls before."""
    import keras

    from vitbench.backends.process import current_backend

    keras.backend.clear_session()
    current_backend().set_seed(0)
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(*arguments)


def _end_with_parent() -> None:
    """Ends this process when the tests were killed, so that it is not left behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
