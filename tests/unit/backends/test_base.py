import importlib.metadata
import os
import random

import numpy as np
import pytest

from helpers.fake_backend import FakeBackend
from vitbench.backends.base import CompilerError
from vitbench.backends.registry import BACKENDS, get_backend
from vitbench.system.environment import CACHE_VARIABLES

GPU = {"type": "gpu", "name": "a GPU"}


MEMORY_ERRORS = [
    "MemoryError: ",
    "ArrayMemoryError: Unable to allocate 3 GiB",
    "RuntimeError: std::bad_alloc",
    "RuntimeError: CUDA out of memory",
    "XlaRuntimeError: CUDA_ERROR_OUT_OF_MEMORY",
    "AcceleratorError: CUDA error: cudaErrorMemoryAllocation",
    "RuntimeError: CUBLAS_STATUS_ALLOC_FAILED",
    "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "XlaRuntimeError: FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above",
    "InternalError: Failed to allocate 411041792 bytes from device",
    "InternalError: failed to allocate 1.2GiB (1288490188 bytes) from device",
    "InternalError: Failed to allocate request for 512.0MiB (536870912B) on device ordinal 0",
]
OTHER_ERRORS = [
    "ValueError: shapes (3,) and (4,) do not match",
    "XlaRuntimeError: RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 234496, available: 232448",
    "ResourceExhaustedError: Shared memory size limit exceeded: requested 234496, available: 232448",
    "OutOfResources: out of resource: shared memory, Required: 234496, Hardware limit: 232448",
    "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED",
    "RuntimeError: failed to allocate 3 streams",
]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("error", MEMORY_ERRORS)
def test_every_backend_knows_the_memory_errors_of_python_cpp_and_cuda(name, error):
    assert get_backend(name).is_out_of_memory(error)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("jax", "XlaRuntimeError: RESOURCE_EXHAUSTED: failed to allocate 1 byte"),
        ("tensorflow", "ResourceExhaustedError: OOM when allocating tensor"),
        ("tensorflow", "InternalError: Dst tensor is not initialized."),
        ("torch", "OutOfMemoryError: tried to allocate 1 byte"),
        ("torch", "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_each_backend_knows_its_own_memory_errors(name, error):
    assert get_backend(name).is_out_of_memory(error)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("error", OTHER_ERRORS)
def test_other_errors_are_not_memory_errors(name, error):
    assert not get_backend(name).is_out_of_memory(error)


def test_the_host_memory_ran_out_if_the_error_says_so_or_the_device_is_the_host(monkeypatch):
    backend = FakeBackend()
    error_of_device = RuntimeError("CUDA out of memory")
    assert backend.is_out_of_host_memory(MemoryError())
    assert backend.is_out_of_host_memory(error_of_device)
    assert not backend.is_out_of_host_memory(ValueError("no"))
    monkeypatch.setattr(backend, "device", lambda: GPU)
    assert backend.is_out_of_host_memory(RuntimeError("std::bad_alloc"))
    assert not backend.is_out_of_host_memory(error_of_device)


def test_torch_names_the_allocator_of_the_host(monkeypatch):
    backend = get_backend("torch")
    monkeypatch.setattr(backend, "device", lambda: GPU)
    assert backend.is_out_of_host_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not backend.is_out_of_host_memory(RuntimeError("CUDA out of memory"))


@pytest.mark.parametrize(
    ("device", "variable", "installed", "missing"),
    [
        ("gpu", "CC", "gcc", "install gcc or clang, or set CC"),
        ("cpu", "CXX", "g++", r"install g\+\+ or clang\+\+, or set CXX"),
    ],
)
def test_torch_says_which_compiler_is_missing(monkeypatch, tmp_path, device, variable, installed, missing):
    backend = get_backend("torch")
    monkeypatch.setattr(backend, "device", lambda: {"type": device, "name": None})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(CompilerError, match=missing):
        backend.check_compiler()
    compiler = tmp_path / installed
    compiler.touch(mode=0o755)
    backend.check_compiler()
    monkeypatch.setenv(variable, str(compiler.rename(tmp_path / "of-the-user")))
    backend.check_compiler()


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_framework_says_why_it_cannot_use_a_gpu(name, monkeypatch):
    def fail(*_):
        raise RuntimeError("Unable to initialize backend")

    monkeypatch.setattr("jax.devices", fail)
    monkeypatch.setattr("torch.cuda.init", fail)
    assert get_backend(name).gpu_error() == "Unable to initialize backend"
    monkeypatch.setattr("jax.devices", lambda kind: ["a GPU"])
    monkeypatch.setattr("torch.cuda.init", lambda: None)
    assert get_backend(name).gpu_error() is None


def test_tf32_is_effective_only_on_a_device_that_supports_it(monkeypatch):
    backend = FakeBackend()
    for supported, allowed in ((False, True), (True, False), (True, True)):
        monkeypatch.setattr(backend, "supports_tf32", lambda supported=supported: supported)
        monkeypatch.setattr(backend, "allows_tf32", lambda allowed=allowed: allowed)
        assert backend.tf32_effective() is (supported and allowed)


def test_the_seed_decides_what_python_and_numpy_draw():
    draws = []
    for _ in range(2):
        FakeBackend().set_seed(3)
        draws.append((random.random(), np.random.rand()))
    assert draws[0] == draws[1]


def test_the_version_is_that_of_the_first_installed_distribution(monkeypatch):
    installed = {"tensorflow-cpu": "2.0", "tensorflow_cpu": "1.0"}

    def version(name):
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert get_backend("tensorflow").version() == "2.0"
    with pytest.raises(importlib.metadata.PackageNotFoundError, match="jax"):
        get_backend("jax").version()


@pytest.fixture
def variables(monkeypatch) -> dict[str, str]:
    """Takes the place of this process' environment variables; empty."""
    empty: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", empty)
    return empty


@pytest.mark.parametrize("name", ["jax", "tensorflow"])
def test_accelerator_cpu_hides_the_gpus(name, variables):
    get_backend(name).set_variables("auto")
    assert "CUDA_VISIBLE_DEVICES" not in variables
    get_backend(name).set_variables("cpu")
    assert variables["CUDA_VISIBLE_DEVICES"] == "-1"


def test_accelerator_cpu_hides_every_gpu_from_torch(variables):
    variables["TORCHINDUCTOR_CACHE_DIR"] = "somewhere"
    get_backend("torch").set_variables("cpu")
    assert variables["TORCHINDUCTOR_CACHE_DIR"] == "somewhere"  # the user's
    assert (variables["CUDA_VISIBLE_DEVICES"], variables["KERAS_TORCH_DEVICE"]) == ("-1", "cpu")


def test_jax_allocates_memory_when_it_is_needed(variables):
    get_backend("jax").set_variables("auto")
    assert variables["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.95"


@pytest.mark.parametrize("variable", ["XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"])
def test_a_memory_fraction_that_the_user_set_is_kept(variable, variables):
    variables[variable] = "0.5"
    get_backend("jax").set_variables("auto")
    assert {name: value for name, value in variables.items() if name.endswith("MEM_FRACTION")} == {variable: "0.5"}


def test_the_environment_record_knows_the_compilation_caches_of_every_backend():
    caches = {name for backend in BACKENDS for name in get_backend(backend).compilation_caches}
    assert caches == set(CACHE_VARIABLES)
