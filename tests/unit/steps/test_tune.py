import os
from dataclasses import replace

import pytest

from vitbench.backends.plan import Plan
from vitbench.backends.process import DeviceError
from vitbench.backends.registry import get_backend
from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.steps import tune
from vitbench.system.files import read_json
from vitbench.system.logs import UserError

CONFIG = Config(models={"resnet50v2": None}, baseline=None)
SECONDS = {"startup_seconds": 1.0, "step_seconds": 0.5, "same_batch_step_seconds": 0.1, "step_alone_seconds": 0.1}


def run_tune(tmp_path, monkeypatch, measure) -> dict:
    """What the step writes if `measure` takes the place of the process that measures a plan."""
    monkeypatch.setattr(tune, "run_in_subprocess", lambda function, arguments, limit: measure(arguments[-2]))
    results = Results(tmp_path)
    tune.run(CONFIG, results, "vit", "torch", "float32")
    return read_json(results.tune("vit", "torch", "float32"))


def test_the_plan_with_the_least_predicted_time_is_written(tmp_path, monkeypatch):
    plans = get_backend("torch").candidate_plans(augmented=True, on_gpu=False)

    def measure(plan: Plan) -> dict:
        return {"status": "measured", "error": None, "predicted_seconds": 5.0 if plan == plans[1] else 9.0} | SECONDS

    content = run_tune(tmp_path, monkeypatch, measure)
    assert Plan(**content["plan"]) == plans[1] and content["reason"].startswith("least predicted time, 5.0 s")
    assert [Plan(**candidate["plan"]) for candidate in content["candidates"][: len(plans)]] == plans
    assert (content["model"], content["backend"], content["precision"]) == ("vit", "torch", "float32")


def test_an_error_of_the_user_ends_the_candidate_and_not_the_step(tmp_path, monkeypatch):
    def measure(plan: Plan) -> dict:
        raise UserError("cannot build the model")

    content = run_tune(tmp_path, monkeypatch, measure)
    statuses = {(candidate["status"], candidate["error"]) for candidate in content["candidates"]}
    assert statuses == {("failed", "cannot build the model")}


def test_a_gpu_that_breaks_ends_the_step(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("GPU is lost")

    monkeypatch.setattr(tune, "run_in_subprocess", lambda function, arguments, limit: function(*arguments))
    monkeypatch.setattr(tune, "start_backend", fail)
    with pytest.raises(DeviceError, match="GPU is lost"):
        tune.run(CONFIG, Results(tmp_path), "vit", "torch", "float32")


def test_a_missing_gpu_ends_the_step(tmp_path, monkeypatch):
    def measure(plan: Plan) -> dict:
        raise DeviceError("torch finds no GPU here")

    with pytest.raises(DeviceError):
        run_tune(tmp_path, monkeypatch, measure)


def test_candidates_of_the_same_program_share_what_they_compile(tmp_path, monkeypatch):
    folders = {}

    def measure(plan: Plan) -> dict:
        folders[plan] = os.environ["TORCHINDUCTOR_CACHE_DIR"]
        return {"status": "measured", "error": None, "predicted_seconds": 5.0} | SECONDS

    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", "of-the-user")
    run_tune(tmp_path, monkeypatch, measure)
    first = get_backend("torch").candidate_plans(augmented=True, on_gpu=False)[0]
    assert folders[replace(first, input_pipeline="device")] == folders[first]
    assert len({folders[plan] for plan in folders if plan.input_pipeline == "batches"}) == len(folders) - 1
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ and os.environ["TRITON_CACHE_DIR"] == "of-the-user"
