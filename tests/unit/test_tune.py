from vitbench.execution import Plan
from vitbench.steps.tune import choose, search

PLAIN, COMPILED = Plan(jit_compile=False), Plan(jit_compile=True)


def outcomes(**seconds):
    """A measurement that answers from a table, and keeps the limits that it was given."""
    limits = []

    def measure(plan, limit):
        limits.append(limit)
        predicted = seconds["compiled" if plan.jit_compile else "plain"]
        if predicted is None:
            return {"status": "failed", "error": "no compiler"}
        return {"status": "measured", "error": None, "predicted_seconds": predicted}

    return measure, limits


def test_the_least_predicted_time_wins():
    measure, _ = outcomes(plain=20.0, compiled=10.0)
    plan, reason = choose(search([PLAIN, COMPILED], measure, 100))
    assert plan == COMPILED and "10.0 s" in reason


def test_a_candidate_gets_no_more_time_than_it_could_win_with():
    measure, limits = outcomes(plain=20.0, compiled=10.0)
    search([PLAIN, COMPILED], measure, 100, clock=lambda: 0.0)
    assert limits == [100, 20.0]


def test_the_budget_bounds_all_candidates_together():
    measure, limits = outcomes(plain=500.0, compiled=10.0)
    times = iter([0.0, 0.0, 100.0])
    found = search([PLAIN, COMPILED], measure, 100, clock=lambda: next(times))
    assert limits == [100] and found[1]["status"] == "abandoned"
    assert found[1]["error"] == "since the budget of 100 s was spent"


def test_why_a_candidate_was_abandoned_is_told():
    def measure(plan, limit):
        return {"status": "abandoned"} if plan.jit_compile else {"status": "measured", "predicted_seconds": 20.0}

    found = search([PLAIN, COMPILED], measure, 100, clock=lambda: 0.0)
    assert found[1]["error"] == "after 20.0 s, since by then the best so far would have finished"
    found = search([PLAIN, COMPILED], measure, 15, clock=lambda: 0.0)
    assert found[1]["error"] == "since the budget of 15 s was spent"


def test_a_failed_candidate_is_recorded_and_loses():
    measure, _ = outcomes(plain=20.0, compiled=None)
    found = search([COMPILED, PLAIN], measure, 100)
    plan, reason = choose(found)
    assert plan == PLAIN and "1 abandoned or failed" in reason
    assert found[0]["error"] == "no compiler"


def test_without_a_measurement_the_default_stays_and_says_so():
    measure, _ = outcomes(plain=None, compiled=None)
    plan, reason = choose(search([PLAIN, COMPILED], measure, 100))
    assert plan == PLAIN and "no candidate could be measured" in reason
