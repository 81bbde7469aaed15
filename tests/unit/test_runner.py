"""The failure policy, with steps that fail in every way."""

from dataclasses import replace

import pytest

from vitbench import runner
from vitbench.backends.process import DeviceError
from vitbench.config.schema import Config
from vitbench.parity.gate import GatedError
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.steps import estimate, throughput
from vitbench.system.files import read_json, write_json
from vitbench.system.logs import UserError

CONFIG = Config.model_validate(
    {"models": {"resnet50v2": None}, "baseline": None, "backends": ["jax", "torch"], "accelerator": "cpu"}
)
RUN = Job("vit", "torch", "tuned", "float32", 0)
MEASUREMENT = Job("vit", "torch", "tuned", "float32", round="1")


@pytest.fixture
def results(tmp_path) -> Results:
    return Results(tmp_path)


def raising(error: Exception):
    def fail(*_, **__):
        raise error

    return fail


@pytest.fixture
def fail_at_start(monkeypatch):
    """Lets the start of a backend raise an exception."""
    return lambda error: monkeypatch.setattr(runner, "start_backend", raising(error))


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("no such layer"), "failed", "ValueError: no such layer"),
        (GatedError("parity failed: logits"), "gated", "parity failed: logits"),
        (UserError("no such plan"), "failed", "UserError: no such plan"),
    ],
)
def test_a_measurement_that_fails_becomes_a_row(results, monkeypatch, capsys, error, status, message):
    monkeypatch.setattr(throughput, "run", raising(error))
    runner.run_job(CONFIG, results, MEASUREMENT)
    row = read_json(MEASUREMENT.result_path(results))
    assert (row["status"], row["error"], row["measurements"]) == (status, message, [])


def test_a_run_that_fails_becomes_a_row(results, fail_at_start):
    fail_at_start(RuntimeError("this GPU is too old"))
    runner.run_job(CONFIG, results, RUN)
    row = read_json(RUN.result_path(results))
    assert (row["status"], row["error"], row["epochs"]) == ("failed", "RuntimeError: this GPU is too old", 0)


@pytest.mark.parametrize(
    "error",
    [DeviceError("torch finds no GPU here"), MemoryError(), RuntimeError("uncorrectable ECC error")],
)
@pytest.mark.parametrize("job", [RUN, MEASUREMENT])
def test_a_missing_or_broken_gpu_and_too_little_memory_end_the_process_without_a_row(
    results, monkeypatch, fail_at_start, job, error
):
    fail_at_start(error)
    monkeypatch.setattr(throughput, "run", raising(error))
    with pytest.raises(type(error)):
        runner.run_job(CONFIG, results, job)
    assert not job.result_path(results).exists()


def test_a_gpu_that_breaks_while_a_speed_is_measured_ends_the_process_without_a_row(results, monkeypatch):
    measurement = replace(MEASUREMENT, execution="published")
    write_json(results.manifest, {"sha256": "of the images"})
    monkeypatch.setattr(throughput, "check_gate", lambda *_: None)
    monkeypatch.setattr(throughput, "run_in_subprocess", lambda function, arguments, limit: function(*arguments))
    monkeypatch.setattr(throughput, "start_backend", raising(RuntimeError("cudaErrorECCUncorrectable")))
    with pytest.raises(DeviceError, match="cudaErrorECCUncorrectable"):
        runner.run_job(CONFIG, results, measurement)
    assert not measurement.result_path(results).exists()


def test_a_backend_that_cannot_compute_its_quantities_fails_parity(results, fail_at_start):
    fail_at_start(ValueError("no such operation"))
    runner.run_parity(CONFIG, results, "vit", "torch")
    verdict = read_json(results.parity("vit", "torch"))
    assert verdict["passed"] is False and verdict["error"] == "ValueError: no such operation"
    assert results.parity_quantities("vit", "torch").exists()


def test_a_missing_gpu_decides_nothing_about_parity(results, fail_at_start):
    fail_at_start(DeviceError("torch finds no GPU here"))
    with pytest.raises(DeviceError):
        runner.run_parity(CONFIG, results, "vit", "torch")
    assert not results.parity("vit", "torch").exists()


@pytest.fixture
def isolated_steps(monkeypatch) -> list[tuple]:
    """The steps that were run in processes of their own, in order: name, and model and backend."""
    steps: list[tuple] = []

    def record(function, arguments, limit_seconds):
        step, (_, _, *names) = arguments
        steps.append((step.__name__, *names))
        return {"status": "completed"}

    monkeypatch.setattr(runner, "run_in_subprocess", record)
    monkeypatch.setattr(estimate, "run", lambda config, results: steps.append(("estimate",)))
    return steps


ALL_SAMPLES = [("run_sample", "vit", "jax"), ("run_sample", "vit", "torch")]


def test_an_estimate_first_makes_the_images_and_the_samples_that_are_missing(results, isolated_steps):
    runner.run_estimate(CONFIG, results)
    assert isolated_steps == [("run_data",), *ALL_SAMPLES, ("estimate",)]


def test_an_estimate_uses_images_that_match_the_config(results, isolated_steps):
    write_json(results.manifest, {"settings": CONFIG.relevant_settings("data")})
    runner.run_estimate(CONFIG, results)
    assert isolated_steps == [*ALL_SAMPLES, ("estimate",)]


def test_an_estimate_replaces_images_that_do_not_match_the_config(results, isolated_steps):
    write_json(results.manifest, {"settings": {"dataset": "another"}})
    runner.run_estimate(CONFIG, results)
    assert isolated_steps[0] == ("run_data",)


def test_an_estimate_with_every_sample_needs_no_gpu(results, isolated_steps, monkeypatch):
    for model, backend in CONFIG.model_backends():
        write_json(results.sample(model, backend), {"settings": CONFIG.relevant_settings("sample", model)})
    monkeypatch.setattr(runner, "claim_gpu", raising(AssertionError("a GPU was claimed")))
    runner.run_estimate(CONFIG, results)
    assert isolated_steps == [("estimate",)]


def test_a_step_that_fails_before_an_estimate_is_named(results, monkeypatch):
    failed = {"status": "failed", "error": "ConnectionError: no route to host"}
    monkeypatch.setattr(runner, "run_in_subprocess", lambda *_: failed)
    with pytest.raises(UserError, match="the step data failed: ConnectionError: no route to host"):
        runner.run_estimate(CONFIG, results)
