import os

import keras
import pytest

from vitbench.backends.jax import JaxBackend
from vitbench.backends.process import (
    DeviceError,
    choose_backend,
    current_backend,
    is_machine_failure,
    raise_device_errors,
    start_backend,
)
from vitbench.system.environment import usable_cores
from vitbench.system.subprocesses import run_in_subprocess


def test_choosing_a_backend_sets_the_variable_that_keras_reads(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert choose_backend("torch").name == "torch"
    assert os.environ["KERAS_BACKEND"] == "torch"


def test_a_process_that_started_no_backend_has_that_of_keras():
    assert current_backend().keras_name == keras.backend.backend()


def test_starting_a_backend_after_keras_was_imported_on_another_is_an_error(monkeypatch):
    for name in ("KERAS_BACKEND", "CUDA_VISIBLE_DEVICES", "KERAS_TORCH_DEVICE", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    with pytest.raises(RuntimeError, match="Keras was imported before its backend was chosen: it runs on jax"):
        start_backend("torch", "float32", "cpu")


def test_a_backend_that_computes_with_other_threads_than_it_may_use_is_an_error(monkeypatch):
    cores = len(usable_cores())
    monkeypatch.setattr(JaxBackend, "threads", lambda self: cores + 1)
    monkeypatch.setattr(JaxBackend, "configure", lambda self: None)  # it would count compilations from now on
    monkeypatch.setattr("vitbench.backends.process._started", [])
    with pytest.raises(RuntimeError, match=f"jax computes with {cores + 1} threads, but this process may use {cores} "):
        start_backend("jax", "float32", "cpu")


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            "Unable to initialize\nbackend",
            r"^jax finds no GPU here \(Unable to initialize backend\), and acc.* 'gpu'\. ",
        ),
        (None, "^jax finds no GPU here, and accelerator is 'gpu'"),
    ],
)
def test_a_missing_gpu_is_explained_in_the_words_of_the_framework(monkeypatch, reason, message):
    monkeypatch.setattr(JaxBackend, "configure", lambda self: None)  # it would count compilations from now on
    monkeypatch.setattr(JaxBackend, "gpu_error", lambda self: reason)
    monkeypatch.setattr("vitbench.backends.process._started", [])
    with pytest.raises(DeviceError, match=message):
        start_backend("jax", "float32", "gpu")


@pytest.mark.parametrize("error", [DeviceError("no GPU"), MemoryError()])
def test_a_missing_gpu_and_too_little_memory_are_failures_of_the_machine(error):
    assert is_machine_failure(error)


BROKEN_GPU = [
    "Unable to initialize backend 'cuda': FAILED_PRECONDITION: No visible GPU devices.",
    "CUDA driver initialization failed, you might not have a CUDA gpu.",
    "Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
    "CUDA error: no CUDA-capable device is detected",
    "CUDA error: all CUDA-capable devices are busy or unavailable",
    "CUDA error: uncorrectable ECC error encountered",
    "INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE",
    "cudaErrorECCUncorrectable",
    "GPU is lost",
]
ERRORS_OF_JOBS = [
    "no such layer",
    "INTERNAL: CUDA_ERROR_ILLEGAL_INSTRUCTION: an illegal instruction was encountered",
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: unspecified launch failure",
]


@pytest.mark.parametrize("message", BROKEN_GPU)
def test_a_gpu_that_cannot_be_used_or_fails_is_a_failure_of_the_machine(message):
    assert is_machine_failure(RuntimeError(message))


@pytest.mark.parametrize("message", ERRORS_OF_JOBS)
def test_an_error_of_the_job_is_not_a_failure_of_the_machine(message):
    assert not is_machine_failure(RuntimeError(message))


@raise_device_errors()
def fail_in_subprocess(error: Exception) -> dict:
    raise error


def test_a_gpu_that_fails_in_a_subprocess_ends_its_parent_too():
    with pytest.raises(DeviceError, match="cannot be used or has failed: uncorrectable ECC error"):
        run_in_subprocess(fail_in_subprocess, (RuntimeError("uncorrectable ECC error encountered"),), 60)
    outcome = run_in_subprocess(fail_in_subprocess, (RuntimeError("unspecified launch failure"),), 60)
    assert outcome == {"status": "failed", "error": "RuntimeError: unspecified launch failure"}
