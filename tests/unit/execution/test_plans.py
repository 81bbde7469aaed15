import pytest

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.backends.registry import get_backend
from vitbench.execution.plans import choose_plan, prune_reason, search_plans

PLAIN, COMPILED = Plan(jit_compile=False), Plan(jit_compile=True)
ON_DEVICE, LONG = Plan(True, input_pipeline="device"), Plan(True, steps_per_execution=8)


def answers(seconds: dict[Plan, float | None]):
    """A measurement that answers from a table, and keeps the limits that it was given."""
    limits = []

    def measure(plan, limit):
        limits.append(limit)
        if seconds[plan] is None:
            return {"status": "failed", "error": "no compiler"}
        if seconds[plan] > 10 * limit:
            return {"status": "abandoned"}
        return record(seconds[plan])

    return measure, limits


def record(predicted: float, **steps) -> dict:
    """A step of 100 ms; unless said otherwise half of it waits for the batch and a fifth is Keras' loop."""
    of_step = {"step_seconds": 0.1, "same_batch_step_seconds": 0.05, "step_alone_seconds": 0.03} | steps
    return {"status": "measured", "error": None, "predicted_seconds": predicted, **of_step}


def test_the_least_predicted_time_wins():
    measure, _ = answers({PLAIN: 20.0, COMPILED: 10.0})
    plan, reason = choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))
    assert plan == COMPILED and "10.0 s" in reason


def test_of_equally_good_plans_the_first_is_kept():
    measure, _ = answers({PLAIN: 10.05, COMPILED: 10.0})
    assert choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))[0] == PLAIN
    measure, _ = answers({PLAIN: 10.2, COMPILED: 10.0})
    assert choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))[0] == COMPILED


def test_a_candidate_gets_no_more_time_than_it_could_win_with():
    measure, limits = answers({PLAIN: 20.0, COMPILED: 10.0})
    search_plans([PLAIN, COMPILED], [], measure, 100, clock=lambda: 0.0)
    assert limits == [100, 20.0]


def test_what_is_good_is_varied_further_and_the_choice_follows_from_the_record():
    both = Plan(True, input_pipeline="device", steps_per_execution=8)
    measure, _ = answers({PLAIN: 20.0, COMPILED: 10.0, ON_DEVICE: 7.0, both: 8.0})
    found = search_plans([PLAIN, COMPILED], [{"input_pipeline": "device"}, {"steps_per_execution": 8}], measure, 100)
    assert [Plan(**c["plan"]) for c in found] == [PLAIN, COMPILED, ON_DEVICE, both]
    assert choose_plan(found)[0] == ON_DEVICE


@pytest.mark.parametrize(
    ("plan", "steps", "reason"),
    [
        (ON_DEVICE, {"same_batch_step_seconds": 0.0995}, "since only 0.5\u202f% of a step is waiting for its batch"),
        (ON_DEVICE, {"same_batch_step_seconds": 0.101}, "since only 0\u202f% of a step is waiting for its batch"),
        (ON_DEVICE, {"same_batch_step_seconds": 0.09}, None),
        (LONG, {"step_alone_seconds": 0.0496}, "since only 0.4\u202f% of a step is spent in Keras' loop"),
        (LONG, {}, None),
        (Plan(True, augmentation="outside"), {"same_batch_step_seconds": 0.1}, None),
        (Plan(True, augmentation="outside", input_pipeline="arrays"), {"same_batch_step_seconds": 0.1}, None),
    ],
)
def test_a_variation_is_not_begun_if_what_it_changes_takes_hardly_any_time(plan, steps, reason):
    best = {"plan": COMPILED.as_dict()} | record(10.0, **steps)
    assert prune_reason(plan, best) == reason
    if reason:
        change = dict(plan.as_dict().items() - COMPILED.as_dict().items())
        found = search_plans([COMPILED], [change], lambda plan, limit: record(10.0, **steps), 100)
        assert (found[1]["status"], found[1]["error"]) == ("pruned", reason)


def test_the_budget_bounds_all_candidates_together():
    measure, limits = answers({PLAIN: 500.0, COMPILED: 10.0})
    times = iter([0.0, 0.0, 100.0])
    found = search_plans([PLAIN, COMPILED], [], measure, 100, clock=lambda: next(times))
    assert limits == [100] and found[1]["status"] == "abandoned"
    assert found[1]["error"] == "since the budget of 100 s was spent"


def test_why_a_candidate_was_abandoned_is_told():
    measure, _ = answers({PLAIN: 20.0, COMPILED: 1000.0})
    found = search_plans([PLAIN, COMPILED], [], measure, 100, clock=lambda: 0.0)
    assert found[1]["error"] == "after 20.0 s, since by then the best so far would have finished"
    found = search_plans([PLAIN, COMPILED], [], measure, 15, clock=lambda: 0.0)
    assert found[1]["error"] == "since the budget of 15 s was spent"


def test_a_failed_candidate_is_recorded_and_loses():
    measure, _ = answers({PLAIN: 20.0, COMPILED: None})
    found = search_plans([COMPILED, PLAIN], [], measure, 100)
    plan, reason = choose_plan(found)
    assert plan == PLAIN and "1 not begun, abandoned or failed" in reason
    assert found[0]["error"] == "no compiler"


def test_without_a_measurement_the_default_stays_and_says_so():
    measure, _ = answers({PLAIN: None, COMPILED: None})
    plan, reason = choose_plan(search_plans([PLAIN, COMPILED], [], measure, 100))
    assert plan == PUBLISHED and "no candidate could be measured" in reason


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_what_is_tried_on_each_backend(backend):
    first = get_backend(backend).candidate_plans(augmented=True)
    assert {(plan.jit_compile, plan.augmentation) for plan in first} >= {(False, "layers"), (True, "sampler")}
    assert len(get_backend(backend).candidate_plans(augmented=False)) == 2
    changes = get_backend(backend).plan_variations(augmented=True)
    assert changes[0]["input_pipeline"] == ("arrays" if backend == "tensorflow" else "device")
    assert changes[-1] == {"augmentation": "outside", "input_pipeline": "batches"}
    assert ({"steps_per_execution": 8} in changes) == (backend != "torch")


def test_where_nothing_could_be_measured_a_plan_that_failed_is_not_chosen():
    failed = {"plan": COMPILED.as_dict(), "status": "failed", "error": "no compiler"}
    late = {"plan": ON_DEVICE.as_dict(), "status": "abandoned", "error": "late"}
    assert choose_plan([failed, late])[0] == ON_DEVICE
    assert choose_plan([failed])[0] == PUBLISHED
