import pytest

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.execution.plans import choose_plan, load_plan, prune_reason, search_plans
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.files import write_json

PLAIN, COMPILED = Plan(jit_compile=False), Plan(jit_compile=True)
ON_DEVICE, LONG = Plan(True, input_pipeline="device"), Plan(True, steps_per_execution=8)


def fake_measurement(seconds: dict[Plan, float | None]):
    """A measurement that looks its results up in a table, and a list of the limits that it was called with."""
    limits = []

    def measure(plan, limit, best_step_seconds):
        limits.append(limit)
        if seconds[plan] is None:
            return {"status": "failed", "error": "no compiler"}
        if seconds[plan] > 10 * limit:
            return {"status": "abandoned"}
        return record(seconds[plan])

    return measure, limits


def record(predicted: float, **steps) -> dict:
    """A step of 100 ms. By default half of it waits for the batch and a fifth is Keras' loop."""
    step_times = {"step_seconds": 0.1, "same_batch_step_seconds": 0.05, "step_alone_seconds": 0.03} | steps
    return {"status": "measured", "error": None, "startup_seconds": 1.0, "predicted_seconds": predicted, **step_times}


def test_the_plan_with_the_least_predicted_time_wins():
    measure, _ = fake_measurement({PLAIN: 20.0, COMPILED: 10.0})
    plan, reason = choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))
    assert plan == COMPILED and "10.0 s" in reason


def test_the_first_of_equally_fast_plans_wins():
    measure, _ = fake_measurement({PLAIN: 10.05, COMPILED: 10.0})
    assert choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))[0] == PLAIN
    measure, _ = fake_measurement({PLAIN: 10.2, COMPILED: 10.0})
    assert choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))[0] == COMPILED


def test_the_limit_of_a_candidate_is_the_time_of_the_best_so_far():
    measure, limits = fake_measurement({PLAIN: 20.0, COMPILED: 10.0})
    search_plans([PLAIN, COMPILED], [], measure, 100, clock=lambda: 0.0)
    assert limits == [100, 20.0]


def test_a_candidate_learns_the_step_time_of_the_best_so_far():
    known = []

    def measure(plan, limit, best_step_seconds):
        known.append(best_step_seconds)
        return record(10.0, step_seconds=0.1 if plan == PLAIN else 0.5)

    search_plans([PLAIN, COMPILED], [{"input_pipeline": "device"}], measure, 100)
    assert known == [None, 0.1, 0.1]


def test_plans_that_differ_in_their_input_have_the_startup_of_the_first():
    """The second one finds the program compiled, which a training run does not."""
    startup = iter([30.0, 4.0, 5.0])

    def measure(plan, limit, best_step_seconds):
        seconds = next(startup)
        return record(seconds + 60.0) | {"startup_seconds": seconds}

    candidates = search_plans([COMPILED], [{"input_pipeline": "device"}, {"steps_per_execution": 8}], measure, 100)
    assert [(c["startup_seconds"], c["predicted_seconds"]) for c in candidates] == [(30, 90), (30, 90), (5, 65)]


def test_the_changes_are_applied_to_the_best_plan_so_far():
    both = Plan(True, input_pipeline="device", steps_per_execution=8)
    measure, _ = fake_measurement({PLAIN: 20.0, COMPILED: 10.0, ON_DEVICE: 7.0, both: 8.0})
    candidates = search_plans(
        [PLAIN, COMPILED], [{"input_pipeline": "device"}, {"steps_per_execution": 8}], measure, 100
    )
    assert [Plan(**c["plan"]) for c in candidates] == [PLAIN, COMPILED, ON_DEVICE, both]
    assert choose_plan(candidates)[0] == ON_DEVICE


@pytest.mark.parametrize(
    ("plan", "steps", "reason"),
    [
        (ON_DEVICE, {"same_batch_step_seconds": 0.0995}, "because only 0.5\u202f% of a step is waiting for the batch"),
        (ON_DEVICE, {"same_batch_step_seconds": 0.101}, "because only 0\u202f% of a step is waiting for the batch"),
        (ON_DEVICE, {"same_batch_step_seconds": 0.09}, None),
        (LONG, {"step_alone_seconds": 0.0496}, "because only 0.4\u202f% of a step is spent in Keras' loop"),
        (LONG, {}, None),
        (Plan(True, augmentation="outside"), {"same_batch_step_seconds": 0.1}, None),
        (Plan(True, augmentation="outside", input_pipeline="arrays"), {"same_batch_step_seconds": 0.1}, None),
    ],
)
def test_a_change_that_can_save_hardly_any_time_is_pruned(plan, steps, reason):
    best = {"plan": COMPILED.as_dict()} | record(10.0, **steps)
    assert prune_reason(plan, best) == reason
    if reason:
        change = dict(plan.as_dict().items() - COMPILED.as_dict().items())
        candidates = search_plans([COMPILED], [change], lambda plan, limit, best: record(10.0, **steps), 100)
        assert (candidates[1]["status"], candidates[1]["error"]) == ("pruned", reason)


def test_the_budget_limits_all_candidates_together():
    measure, limits = fake_measurement({PLAIN: 500.0, COMPILED: 10.0})
    times = iter([0.0, 0.0, 100.0])
    candidates = search_plans([PLAIN, COMPILED], [], measure, 100, clock=lambda: next(times))
    assert limits == [100] and candidates[1]["status"] == "abandoned"
    assert candidates[1]["error"] == "because the budget of 100 s was spent"


def test_until_a_plan_is_measured_each_gets_a_minimum_of_time():
    measure, limits = fake_measurement({PLAIN: None, COMPILED: 10.0, ON_DEVICE: 9.0})
    times = iter([0.0, 0.0, 100.0, 120.0])
    changes = [{"input_pipeline": "device"}]
    candidates = search_plans([PLAIN, COMPILED], changes, measure, 20, 60, clock=lambda: next(times))
    assert limits == [60, 60] and [c["status"] for c in candidates] == ["failed", "measured", "abandoned"]


def test_the_record_says_why_a_candidate_was_abandoned():
    measure, _ = fake_measurement({PLAIN: 20.0, COMPILED: 1000.0})
    candidates = search_plans([PLAIN, COMPILED], [], measure, 100, clock=lambda: 0.0)
    assert candidates[1]["error"] == "after 20.0 s, because the best candidate would have finished by then"
    candidates = search_plans([PLAIN, COMPILED], [], measure, 15, clock=lambda: 0.0)
    assert candidates[1]["error"] == "because the budget of 15 s was spent"


def test_the_record_of_a_hopeless_candidate_keeps_its_reason():
    def measure(plan, limit, best_step_seconds):
        hopeless = {"status": "abandoned", "error": "after 3 steps, which took 29 times as long"}
        return hopeless if best_step_seconds else record(10.0)

    candidates = search_plans([PLAIN, COMPILED], [], measure, 100)
    assert candidates[1]["error"] == "after 3 steps, which took 29 times as long"


def test_a_failed_candidate_is_recorded_and_not_chosen():
    measure, _ = fake_measurement({PLAIN: 20.0, COMPILED: None})
    candidates = search_plans([COMPILED, PLAIN], [], measure, 100)
    plan, reason = choose_plan(candidates)
    assert plan == PLAIN and "1 pruned, abandoned or failed" in reason
    assert candidates[0]["error"] == "no compiler"


def test_without_any_measurement_the_published_plan_is_chosen():
    measure, _ = fake_measurement({PLAIN: None, COMPILED: None})
    plan, reason = choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))
    assert plan == PUBLISHED and "no candidate could be measured" in reason


def test_without_any_measurement_a_failed_plan_is_not_chosen():
    failed = {"plan": COMPILED.as_dict(), "status": "failed", "error": "no compiler"}
    late = {"plan": ON_DEVICE.as_dict(), "status": "abandoned", "error": "late"}
    assert choose_plan([failed, late])[0] == ON_DEVICE
    assert choose_plan([failed])[0] == PUBLISHED


def test_a_job_is_executed_as_published_or_by_the_plan_that_tune_chose(tmp_path):
    results, tuned = Results(tmp_path), Plan(True, "sampler", "device", 8)
    write_json(results.tune("vit", "jax", "float32"), {"plan": tuned.as_dict()})
    assert load_plan(results, Job("vit", "jax", "published", "float32")) == PUBLISHED
    assert load_plan(results, Job("vit", "jax", "tuned", "float32", seed=1)) == tuned
