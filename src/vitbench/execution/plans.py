"""TODO."""

import time
from collections.abc import Callable
from dataclasses import replace

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.formatting import format_percent
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.files import read_json
from vitbench.system.logs import log


def load_plan(results: Results, job: Job) -> Plan:
    """How Keras executes `job`: as published, or by the plan that was chosen here."""
    if job.execution == "published":
        return PUBLISHED
    return Plan(**read_json(results.tune(job.model, job.backend, job.precision))["plan"])


def search_plans(
    plans: list[Plan],
    changes: list[dict],
    measure: Callable[[Plan, float], dict],
    budget_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict]:
    """Measures the plans in turn, then the best so far with each of the changes, and returns a record of each.

    A plan is abandoned once it has taken as long as the best one so far would for the whole training, since it cannot
    win any more, or when the budget is spent; a change is not tried if what it concerns takes hardly any time.
    """
    candidates, ends = [], clock() + budget_seconds

    def try_(plan: Plan) -> None:
        best, left = best_candidate(candidates), ends - clock()
        shortest = best["predicted_seconds"] if best else float("inf")
        if best and (reason := prune_reason(plan, best)):
            outcome = {"status": "pruned", "error": reason}
        else:
            outcome = measure(plan, min(shortest, left)) if left > 0 else {"status": "abandoned"}
        if outcome["status"] == "abandoned":
            late = f"after {shortest:.1f} s, since by then the best so far would have finished"
            outcome["error"] = late if shortest < left else f"since the budget of {budget_seconds:g} s was spent"
        candidates.append({"plan": plan.as_dict(), **outcome})
        log.info("candidate %s", candidates[-1])

    for plan in plans:
        try_(plan)
    for change in changes if best_candidate(candidates) else []:
        try_(replace(Plan(**best_candidate(candidates)["plan"]), **change))
    return candidates


def prune_reason(plan: Plan, best: dict) -> str | None:
    """Why `plan` cannot beat the `best` record: what it changes was too small a part of that one's step. Else None."""
    before, step = Plan(**best["plan"]), best["step_seconds"]
    if plan.augmentation != before.augmentation:
        return None  # what it would save is in the step itself
    if plan.input_pipeline != before.input_pipeline:
        part, what = step - best["same_batch_step_seconds"], "waiting for its batch"
    elif plan.steps_per_execution != before.steps_per_execution:
        part, what = best["same_batch_step_seconds"] - best["step_alone_seconds"], "spent in Keras' loop"
    else:
        return None
    share = max(0.0, part / step)
    return f"since only {format_percent(share)} of a step is {what}" if share < MINIMUM_SAVING else None


def choose_plan(candidates: list[dict]) -> tuple[Plan, str]:
    """The measured plan with the least predicted time, and why; without any, the first one.

    Of plans that are as good as equal, the one that was measured first.
    """
    best = best_candidate(candidates)
    if not best:
        left = next((c for c in candidates if c["status"] != "failed"), None)
        plan = Plan(**left["plan"]) if left else PUBLISHED
        return (
            plan,
            "no candidate could be measured, so the one that is likeliest to be fast of those that did not fail",
        )
    measured = sum(c["status"] == "measured" for c in candidates)
    others = len(candidates) - measured
    reason = f"least predicted time, {best['predicted_seconds']:.1f} s, of {measured} measured"
    return Plan(**best["plan"]), reason + (f", {others} not begun, abandoned or failed" if others else "")


def best_candidate(candidates: list[dict]) -> dict | None:
    measured = [c for c in candidates if c["status"] == "measured"]
    least = min((c["predicted_seconds"] for c in measured), default=0.0)
    return next((c for c in measured if c["predicted_seconds"] <= (1 + MINIMUM_SAVING) * least), None)


MINIMUM_SAVING = 0.01  # a later candidate is preferred to an earlier one if it saves more than this share of the time
