import pytest

from vitbench.backends.plan import Plan
from vitbench.config.schema import Config
from vitbench.measure import candidate
from vitbench.measure.candidate import measure_candidate
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.steps import data, init

TINY = {"image_size": 8, "patch_size": 4, "projection_dim": 4, "num_heads": 1, "layers": 1, "block_units": [4]}
IMAGES = {"image_size": 8, "classes": 3, "train_images": 20, "test_images": 4}
CONFIG = Config(
    dataset={"source": "synthetic", "synthetic": IMAGES},
    models={"vit": TINY | {"head_units": [4], "augmentation": None}},
    baseline=None,
    training={"batch_size": 6, "epochs": 2},
    tuning={"timed_steps": 2},
)
JOB = Job("vit", "jax", "tuned", "float32")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    prepared = Results(tmp_path_factory.mktemp("candidate"))
    data.run(CONFIG, prepared)
    init.run(CONFIG, prepared, "vit", 0)
    return prepared


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(candidate, "BLOCK_SECONDS", 0.01)
    monkeypatch.setattr(candidate, "check_execution", lambda model: None)  # this process has not started the backend


def measure(results: Results, best_step_seconds: float | None) -> dict:
    return measure_candidate(CONFIG, results, JOB, Plan(jit_compile=True), 0.0, best_step_seconds)


def test_the_prediction_is_the_startup_and_the_steps_of_the_whole_training(results):
    outcome = measure(results, None)
    assert (outcome["status"], outcome["error"]) == ("measured", None)
    steps = 2 * 3  # two epochs of 18 images, in batches of 6
    assert outcome["predicted_seconds"] == pytest.approx(outcome["startup_seconds"] + steps * outcome["step_seconds"])
    assert outcome["timed_steps"] >= 3 * 2 and len(outcome["block_seconds"]) == 3


def test_a_plan_that_is_far_slower_than_the_best_is_given_up_after_three_steps(results, monkeypatch):
    trained = []
    warm_up = candidate.timing.warm_up
    monkeypatch.setattr(
        candidate.timing,
        "warm_up",
        lambda model, batches, *bounds, **more: (
            trained.append(len(batches)) or warm_up(model, batches, *bounds, **more)
        ),
    )
    outcome = measure(results, 1e-9)
    assert outcome["status"] == "abandoned" and trained == [3]
    assert outcome["error"].startswith("after 3 steps, which took ")


def test_a_plan_that_is_as_fast_as_the_best_is_measured(results):
    assert measure(results, 3600.0)["status"] == "measured"
