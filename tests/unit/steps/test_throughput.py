import pytest

from vitbench.steps.throughput import build_row
from vitbench.system.subprocesses import KILLED

ROW = {"images_per_second": 2.0, "achieved_flops_per_second": 24.0}
MEASURED = {"status": "measured", "row": ROW, "device_peak_flops_per_second": 120.0, "environment": {}}


def test_a_measured_row_gets_the_peak_of_its_process_and_the_utilisation():
    row = build_row(MEASURED, 60, "jax")
    assert row["status"] == "completed" and row["images_per_second"] == 2.0
    assert row["mfu"] == 0.2 and row["device_peak_flops_per_second"] == 120.0


def test_without_a_flop_count_there_is_no_utilisation():
    row = build_row(MEASURED | {"row": ROW | {"achieved_flops_per_second": None}}, 60, "jax")
    assert row["mfu"] is None and row["device_peak_flops_per_second"] == 120.0


@pytest.mark.parametrize(
    ("backend", "error"),
    [
        ("torch", "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB"),
        ("torch", "AcceleratorError: CUDA error: out of memory"),
        ("torch", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        ("torch", "RuntimeError: [enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory"),
        ("tensorflow", "ResourceExhaustedError: failed to allocate memory [Op:Mul]"),
        (
            "tensorflow",
            "InternalError: Failed copying input tensor from CPU:0 to GPU:0: Dst tensor is not initialized.",
        ),
        ("jax", "JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 68719476864 bytes."),
        ("jax", "JaxRuntimeError: INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        ("jax", "_ArrayMemoryError: Unable to allocate 1.2 TiB for an array"),
        ("tensorflow", KILLED),
    ],
)
def test_a_process_that_runs_out_of_memory_is_a_row_with_that_status(backend, error):
    assert build_row({"status": "failed", "error": error}, 60, backend) == {"status": "out_of_memory", "error": error}


def test_another_error_is_a_failure_with_its_reason():
    failed = {"status": "failed", "error": "ValueError: no such shape"}
    assert build_row(failed, 60, "jax") == failed


def test_a_process_that_hangs_is_a_failure_that_names_the_limit():
    row = build_row({"status": "abandoned"}, 60, "jax")
    assert row["status"] == "failed" and "throughput.limit_seconds, 60 s" in row["error"]
