"""tune: times a few ways to execute the same training and keeps the one with the least predicted time.

Each candidate is measured in a process of its own: its cold cost is real, and a crash or an endless compilation ends
that candidate, not the step.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from vitbench import execution
from vitbench.config import SCHEMA_VERSION, Config
from vitbench.execution import Plan
from vitbench.numerals import percent
from vitbench.processes import in_a_process
from vitbench.progress import UserError, log, say
from vitbench.records import Job
from vitbench.results import Results, read_json, write_json
from vitbench.times import process_times

WORTH_IT = 0.01  # a later candidate is preferred to an earlier one if it saves more than this share of the time
TIMED_BLOCKS = 3
WARMUP_STEPS = 2  # a round, of which there are two or more
WARMUP_SECONDS = 20.0
BLOCK_SECONDS = 0.5
LONGEST_BLOCK_SECONDS = 4.0


def run(config: Config, results: Results, model: str, backend: str, precision: str) -> None:
    job = Job(model, backend, "tuned", precision)

    def measure(plan: Plan, limit: float) -> dict:
        try:
            return in_a_process(_measure, (config, results, job, plan), limit)
        except execution.DeviceError:
            raise
        except UserError as error:
            return {"status": "failed", "error": str(error)}

    augmented = config.models.augmented(model)
    first, changes = execution.candidates(backend, augmented), execution.variations(backend, augmented)
    candidates = search(first, changes, measure, config.tuning.budget_seconds)
    chosen, reason = choose(candidates)
    say(f"tune {model} · {backend}: {chosen} ({reason})")
    content = {
        "schema_version": SCHEMA_VERSION,
        **{"experiment": config.experiment, "model": model, "backend": backend, "precision": precision},
        **{"candidates": candidates, "plan": chosen.as_dict(), "reason": reason},
        **process_times(),
    }
    write_json(results.tune(model, backend, precision), content)


def plan(results: Results, job: Job) -> Plan:
    """How Keras executes `job`: as published, or by the plan that was chosen here."""
    if job.execution == "published":
        return execution.PUBLISHED
    return Plan(**read_json(results.tune(job.model, job.backend, job.precision))["plan"])


def search(
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
        best, left = _best(candidates), ends - clock()
        shortest = best["predicted_seconds"] if best else float("inf")
        if best and (reason := hopeless(plan, best)):
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
    for change in changes if _best(candidates) else []:
        try_(replace(Plan(**_best(candidates)["plan"]), **change))
    return candidates


def hopeless(plan: Plan, best: dict) -> str | None:
    """Why `plan` cannot beat the `best` record: what it changes was too small a part of that one's step. Else None."""
    before, step = Plan(**best["plan"]), best["step_seconds"]
    if plan.augmentation != before.augmentation:
        return None  # what it would save is in the step itself
    if plan.feeding != before.feeding:
        part, what = step - best["same_batch_step_seconds"], "waiting for its batch"
    elif plan.steps_per_execution != before.steps_per_execution:
        part, what = best["same_batch_step_seconds"] - best["step_alone_seconds"], "spent in Keras' loop"
    else:
        return None
    share = max(0.0, part / step)
    return f"since only {percent(share)} of a step is {what}" if share < WORTH_IT else None


def choose(candidates: list[dict]) -> tuple[Plan, str]:
    """The measured plan with the least predicted time, and why; without any, the first one.

    Of plans that are as good as equal, the one that was measured first.
    """
    best = _best(candidates)
    if not best:
        left = next((c for c in candidates if c["status"] != "failed"), None)
        plan = Plan(**left["plan"]) if left else execution.PUBLISHED
        return (
            plan,
            "no candidate could be measured, so the one that is likeliest to be fast of those that did not fail",
        )
    measured = sum(c["status"] == "measured" for c in candidates)
    others = len(candidates) - measured
    reason = f"least predicted time, {best['predicted_seconds']:.1f} s, of {measured} measured"
    return Plan(**best["plan"]), reason + (f", {others} not begun, abandoned or failed" if others else "")


def _best(candidates: list[dict]) -> dict | None:
    measured = [c for c in candidates if c["status"] == "measured"]
    least = min((c["predicted_seconds"] for c in measured), default=0.0)
    return next((c for c in measured if c["predicted_seconds"] <= (1 + WORTH_IT) * least), None)


def _measure(config: Config, results: Results, job: Job, plan: Plan) -> dict:
    """Cold cost, step time and predicted training time of one plan, seconds.

    The cold cost is all until training and validation have seen a batch of each size that they will see: a compiler
    begins anew for each.
    """
    began = time.perf_counter()
    execution.start(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench import models, optimization, timing
    from vitbench.execution import feeds, loops
    from vitbench.feeding import Batches, in_even_batches
    from vitbench.splits import split
    from vitbench.steps import init

    parts = models.build(job.model, config.models.parameters()[job.model], read_json(results.manifest))
    init.load(parts, results, job.model, config.seeds_of(job.model)[0])
    data = split(results, config.dataset.validation_fraction)
    images, labels = data["train"]
    epochs = config.epochs_of(job.model)
    model = execution.assemble(parts, plan, optimization.build(config.training, epochs, len(images)))
    batch_size = config.training.batch_size
    batches = Batches(images, labels, batch_size, seed=0, steps=config.tuning.timed_steps)
    batches = feeds.of(batches, plan, parts)
    timing.first_step(model, batches)
    if in_last_batch := len(images) % batch_size:
        timing.first_step(model, batches.resized(steps=1, batch_size=in_last_batch))
    model.evaluate(in_even_batches(*data["validation"], most=batch_size).resized(steps=1), verbose=0)
    cold = time.perf_counter() - began
    execution.check(model)
    warm = timing.warm_up(model, batches.resized(steps=WARMUP_STEPS * plan.steps_per_execution), WARMUP_SECONDS)
    block = timing.lasting(batches, warm.step_seconds, BLOCK_SECONDS, LONGEST_BLOCK_SECONDS)
    blocks = timing.train_blocks(model, block, TIMED_BLOCKS)
    kept = loops.same_batch(block)
    of_same_batch = timing.train_blocks(model, block, 1, fed=kept)
    alone = loops.steps_alone(model, kept, len(block))
    step = timing.step_seconds(blocks)
    steps = epochs * -(-len(images) // batch_size)
    return {
        "status": "measured",
        "error": None,
        "cold_seconds": cold,
        "step_seconds": step,
        "same_batch_step_seconds": timing.step_seconds(of_same_batch),
        "step_alone_seconds": alone / len(block),
        "block_seconds": [block.seconds for block in blocks],
        "timed_steps": sum(block.steps for block in blocks),
        "predicted_seconds": cold + steps * step,
        "jit_compile_effective": execution.audit(model)["jit_compile_effective"],
    }
