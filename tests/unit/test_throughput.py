import pytest

from vitbench.processes import KILLED
from vitbench.steps.throughput import PHASES, gathered

INFERRED = {"phase": "infer", "images_per_second": 8.0, "achieved_flops_per_second": 30.0}
TRAINED = {"phase": "train", "images_per_second": 2.0, "achieved_flops_per_second": 24.0}
PROCESS = {"device_peak_flops_per_second": 120.0, "environment": {"device": "a CPU"}}


def test_rows_are_completed_by_what_is_known_of_the_process_that_made_them():
    rows, environment = gathered(iter([INFERRED, TRAINED, PROCESS]))
    assert {phase: row["mfu"] for phase, row in rows.items()} == {"infer": 0.25, "train": 0.2}
    assert {row["status"] for row in rows.values()} == {"completed"}
    assert environment == {"device": "a CPU"}


@pytest.mark.parametrize(
    "error",
    [
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory",
        "ResourceExhaustedError: failed to allocate memory [Op:Mul]",
        "JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 68719476864 bytes.",
        "_ArrayMemoryError: Unable to allocate 1.2 TiB for an array",
        KILLED,
    ],
)
def test_memory_that_ran_out_in_training_leaves_the_inference_that_was_measured(error):
    rows, environment = gathered(iter([INFERRED, {"status": "failed", "error": error}]))
    assert rows["infer"]["status"] == "completed" and rows["infer"]["images_per_second"] == 8.0
    assert rows["infer"]["mfu"] is None  # the peak was not reached any more
    assert rows["train"] == {"status": "out_of_memory", "error": error}
    assert environment is None and list(rows) == list(PHASES)


def test_another_end_is_a_failure_with_its_reason():
    rows, _ = gathered(iter([{"status": "failed", "error": "ValueError: no such shape"}]))
    assert all(row == {"status": "failed", "error": "ValueError: no such shape"} for row in rows.values())


def test_without_operations_there_is_no_utilisation():
    rows, _ = gathered(iter([TRAINED | {"achieved_flops_per_second": None}, PROCESS]))
    assert rows["train"]["mfu"] is None and rows["train"]["device_peak_flops_per_second"] == 120.0
