from pathlib import Path

import pytest

from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.steps import throughput
from vitbench.steps.throughput import build_row
from vitbench.system.files import read_json, write_json
from vitbench.system.subprocesses import KILLED

ROWS = {"train": {"images_per_second": 2.0}, "infer": {"images_per_second": 6.0}}
MEASURED = {
    "status": "measured",
    "rows": ROWS,
    "device_peak_flops_per_second": 120.0,
    "environment": {"device": "A CPU"},
}


@pytest.fixture(autouse=True)
def manifest(tmp_path) -> Path:
    path = Results(tmp_path).manifest
    write_json(path, {"sha256": "of the images"})
    return path


def test_the_row_of_a_phase_gets_the_peak_of_its_process():
    row = build_row(MEASURED, "infer", 60, "jax")
    assert row == {"status": "completed", "images_per_second": 6.0, "device_peak_flops_per_second": 120.0}


def test_if_the_process_of_both_phases_fails_each_phase_gets_its_own(monkeypatch, tmp_path):
    def run(function, arguments, limit_seconds):
        phases = arguments[-1]
        calls.append((phases, limit_seconds))
        return {"status": "failed", "error": KILLED} if "train" in phases else MEASURED

    calls: list = []
    monkeypatch.setattr(throughput, "run_in_subprocess", run)
    monkeypatch.setattr(throughput, "check_gate", lambda *arguments: None)
    config = Config(throughput={"limit_seconds": 60, "batch_sizes": [8, 16]})
    job = Job("vit", "jax", "published", "float32", round="1")
    assert throughput.run(config, Results(tmp_path), job) == "completed"
    measurements = read_json(job.result_path(Results(tmp_path)))["measurements"]
    assert [(row["phase"], row["batch_size"], row["status"]) for row in measurements] == [
        ("train", 8, "out_of_memory"),
        ("infer", 8, "completed"),
        ("train", 16, "out_of_memory"),
        ("infer", 16, "completed"),
    ]
    assert calls == [(["train", "infer"], 120), (["train"], 60), (["infer"], 60), (["infer"], 60)]


def run_with_disturbances(monkeypatch, folder: Path, shares: list[dict[str, float]], **settings) -> dict[str, dict]:
    """The rows by phase if others take shares[k] from attempt k, whose speed is 100 + k."""
    attempts = iter(range(len(shares)))

    def run(function, arguments, limit_seconds):
        attempt, phases = next(attempts), arguments[-1]
        rows = {p: {"images_per_second": 100 + attempt, "other_cpu_share": shares[attempt][p]} for p in phases}
        return MEASURED | {"rows": rows}

    monkeypatch.setattr(throughput, "run_in_subprocess", run)
    monkeypatch.setattr(throughput, "check_gate", lambda *arguments: None)
    config = Config(throughput={"batch_sizes": [8]} | settings)
    job = Job("vit", "jax", "published", "float32", round="2")
    throughput.run(config, Results(folder), job)
    assert next(attempts, None) is None, "every attempt was made"
    return {row["phase"]: row for row in read_json(job.result_path(Results(folder)))["measurements"]}


def test_only_the_phase_that_others_disturbed_is_measured_again(monkeypatch, tmp_path):
    shares = [{"train": 0.4, "infer": 0.01}, {"train": 0.02}]
    rows = run_with_disturbances(monkeypatch, tmp_path, shares)
    assert (rows["infer"]["images_per_second"], rows["infer"]["attempts"]) == (100, 1)
    assert (rows["train"]["images_per_second"], rows["train"]["attempts"]) == (101, 2)
    assert not rows["train"]["disturbed"]


def test_after_three_attempts_the_least_disturbed_one_counts_and_says_so(monkeypatch, tmp_path):
    shares = [{"train": 0.4, "infer": 0.01}, {"train": 0.2}, {"train": 0.3}]
    row = run_with_disturbances(monkeypatch, tmp_path, shares)["train"]
    assert (row["images_per_second"], row["attempts"], row["disturbed"]) == (101, 3, True)


def test_without_a_limit_nothing_is_measured_again(monkeypatch, tmp_path):
    rows = run_with_disturbances(monkeypatch, tmp_path, [{"train": 0.9, "infer": 0.9}], disturbance_limit=None)
    assert [(row["attempts"], row["disturbed"]) for row in rows.values()] == [(1, False), (1, False)]


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
    assert build_row({"status": "failed", "error": error}, "train", 60, backend) == {
        "status": "out_of_memory",
        "error": error,
    }


def test_another_error_is_a_failure_with_its_reason():
    failed = {"status": "failed", "error": "ValueError: no such shape"}
    assert build_row(failed, "train", 60, "jax") == failed


def test_a_process_that_hangs_is_a_failure_that_names_the_limit():
    row = build_row({"status": "abandoned"}, "train", 60, "jax")
    assert row["status"] == "failed" and "throughput.limit_seconds, 60 s" in row["error"]


def test_a_sweep_that_was_interrupted_continues_with_the_next_batch_size(monkeypatch, tmp_path):
    measured = []

    def run(function, arguments, limit_seconds):
        measured.append(arguments[-2])
        if measured == [8, 16]:
            raise KeyboardInterrupt
        return MEASURED | {"rows": {p: {"images_per_second": 1.0 * arguments[-2]} for p in arguments[-1]}}

    monkeypatch.setattr(throughput, "run_in_subprocess", run)
    monkeypatch.setattr(throughput, "check_gate", lambda *arguments: None)
    config = Config(throughput={"batch_sizes": [8, 16, 32]})
    results, job = Results(tmp_path), Job("vit", "jax", "published", "float32", round="1")
    with pytest.raises(KeyboardInterrupt):
        throughput.run(config, results, job)
    assert not job.result_path(results).exists()
    throughput.run(config, results, job)
    assert measured == [8, 16, 16, 32], "8 is not measured again"
    rows = read_json(job.result_path(results))["measurements"]
    assert [row["images_per_second"] for row in rows if row["phase"] == "train"] == [8, 16, 32]
    assert not list((tmp_path / "checkpoints").rglob("*.json")), "nothing is left of a finished sweep"


@pytest.mark.parametrize("change", ["settings", "images", "machine"])
def test_a_sweep_does_not_continue_with_something_else_or_elsewhere(monkeypatch, tmp_path, manifest, change):
    measured = []

    def run(function, arguments, limit_seconds):
        measured.append(arguments[-2])
        if len(measured) == 2:
            raise KeyboardInterrupt
        return MEASURED

    monkeypatch.setattr(throughput, "run_in_subprocess", run)
    monkeypatch.setattr(throughput, "check_gate", lambda *arguments: None)
    settings = {"batch_sizes": [8, 16]}
    job = Job("vit", "jax", "published", "float32", round="1")
    with pytest.raises(KeyboardInterrupt):
        throughput.run(Config(throughput=settings), Results(tmp_path), job)
    if change == "machine":
        monkeypatch.setattr(throughput, "describe_machine", lambda: {"device": "another GPU"})
    elif change == "images":
        write_json(manifest, {"sha256": "of other images"})
    else:
        settings["blocks"] = 7
    throughput.run(Config(throughput=settings), Results(tmp_path), job)
    assert measured == [8, 16, 8, 16]
