"""Which plan executes a job: the published one, or the fastest candidate of a search by measurement."""

import time
from collections.abc import Callable
from dataclasses import replace

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.formatting import format_percent
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.files import read_json
from vitbench.system.logs import log

MINIMUM_SAVING = 0.01  # of the time; a later candidate must save more than this share to replace an earlier one


def load_plan(results: Results, job: Job) -> Plan:
    """The plan by which Keras executes `job`: the published one, or the one that `tune` chose on this machine."""
    if job.execution == "published":
        return PUBLISHED
    return Plan(**read_json(results.tune(job.model, job.backend, job.precision))["plan"])


def search_plans(
    plans: list[Plan],
    changes: list[dict],
    measure: Callable[[Plan, float, float | None], dict],
    budget_seconds: float,
    minimum_seconds: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict]:
    """Measures each plan, then the best plan so far with each of the changes, and returns one record per candidate.

    A record has the `plan`, a `status` (measured, pruned, abandoned or failed), an `error` that explains any status but
    measured, and the outcome of `measure`.

    plans, changes: in the order in which they are tried; a change is a dict of fields of Plan.
    measure: takes a plan, a limit in seconds and the step time of the best plan so far. The limit is the predicted time
        of the whole training with the best plan so far, since a candidate that takes longer cannot win, or what is left
        of the budget. Plans that differ only in their input pipeline share what they compile, so the startup of the
        first of them counts for all.
    minimum_seconds: what a candidate gets even if the budget is spent, as long as none has been measured.
    """
    candidates, deadline = [], clock() + budget_seconds

    def try_plan(plan: Plan) -> None:
        best, seconds_left = best_candidate(candidates), deadline - clock()
        best_seconds = best["predicted_seconds"] if best else float("inf")
        if best and (reason := prune_reason(plan, best)):
            outcome = {"status": "pruned", "error": reason}
        elif (allowed := max(seconds_left, 0 if best else minimum_seconds)) > 0:
            outcome = measure(plan, min(best_seconds, allowed), best["step_seconds"] if best else None)
        else:
            outcome = {"status": "abandoned"}
        if outcome["status"] == "measured":
            outcome = _count_first_startup(outcome, plan, candidates)
        if outcome["status"] == "abandoned" and "error" not in outcome:
            beaten = f"after {best_seconds:.1f} s, because the best candidate would have finished by then"
            over_budget = f"because the budget of {budget_seconds:g} s was spent"
            outcome["error"] = beaten if best_seconds < seconds_left else over_budget
        candidates.append({"plan": plan.as_dict(), **outcome})
        log.info("candidate %s", candidates[-1])

    for plan in plans:
        try_plan(plan)
    for change in changes:
        if best := best_candidate(candidates):
            try_plan(replace(Plan(**best["plan"]), **change))
    return candidates


def _count_first_startup(outcome: dict, plan: Plan, candidates: list[dict]) -> dict:
    """`outcome` with the longest startup of the measured plans that run the same program as `plan`."""
    measured = [c for c in candidates if c["status"] == "measured"]
    same = [c for c in measured if replace(Plan(**c["plan"]), input_pipeline=plan.input_pipeline) == plan]
    longest = max([outcome["startup_seconds"], *(c["startup_seconds"] for c in same)])
    predicted = outcome["predicted_seconds"] + longest - outcome["startup_seconds"]
    return outcome | {"startup_seconds": longest, "predicted_seconds": predicted}


def prune_reason(plan: Plan, best: dict) -> str | None:
    """Why `plan` cannot beat the record `best`: what it changes takes too small a share of a step. None if it can."""
    best_plan, step = Plan(**best["plan"]), best["step_seconds"]
    if plan.augmentation != best_plan.augmentation:
        return None  # the augmentation is part of the step itself
    if plan.input_pipeline != best_plan.input_pipeline:
        part, activity = step - best["same_batch_step_seconds"], "waiting for the batch"
    elif plan.steps_per_execution != best_plan.steps_per_execution:
        part, activity = best["same_batch_step_seconds"] - best["step_alone_seconds"], "spent in Keras' loop"
    else:
        return None
    share = max(0.0, part / step)
    return f"because only {format_percent(share)} of a step is {activity}" if share < MINIMUM_SAVING else None


def choose_plan(candidates: list[dict]) -> tuple[Plan, str]:
    """The measured plan with the least predicted time, and the reason for the choice.

    Among plans that are equally fast to within MINIMUM_SAVING, the one that was measured first wins. If none was
    measured, it is the first plan that did not fail, or the published one.
    """
    best = best_candidate(candidates)
    if best is None:
        remaining = [Plan(**c["plan"]) for c in candidates if c["status"] != "failed"]
        reason = "no candidate could be measured, so this is the likely fastest of those that did not fail"
        return (remaining[0], reason) if remaining else (PUBLISHED, "no candidate could be measured; all failed")
    measured = sum(c["status"] == "measured" for c in candidates)
    reason = f"least predicted time, {best['predicted_seconds']:.1f} s, of {measured} measured candidates"
    if others := len(candidates) - measured:
        reason += f"; {others} pruned, abandoned or failed"
    return Plan(**best["plan"]), reason


def was_plan_measured(tuned: dict) -> bool:
    """Whether the chosen plan was measured. tuned: the result of the step tune."""
    return any(c["status"] == "measured" and c["plan"] == tuned["plan"] for c in tuned.get("candidates", []))


def best_candidate(candidates: list[dict]) -> dict | None:
    """The first measured record whose predicted time is the least, to within MINIMUM_SAVING; None without any."""
    measured = [c for c in candidates if c["status"] == "measured"]
    least = min((c["predicted_seconds"] for c in measured), default=0.0)
    return next((c for c in measured if c["predicted_seconds"] <= (1 + MINIMUM_SAVING) * least), None)
