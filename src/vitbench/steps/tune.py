"""tune: times a few ways to execute the same training and keeps the one with the least predicted time.

Each candidate is measured in a process of its own: its cold cost is real, and a crash or an endless compilation ends
that candidate, not the step.
"""

import time
from collections.abc import Callable

from vitbench import execution
from vitbench.config import SCHEMA_VERSION, Config
from vitbench.environment import process_times
from vitbench.execution import Plan
from vitbench.processes import in_a_process
from vitbench.progress import log, say
from vitbench.records import Job
from vitbench.results import Results, read_json, write_json

TIMED_BLOCKS = 2
BLOCK_SECONDS = 0.5


def run(config: Config, results: Results, model: str, backend: str, precision: str) -> None:
    job = Job(model, backend, "tuned", precision)
    measure = lambda plan, limit: in_a_process(_measure, (config, results, job, plan), limit)  # noqa: E731
    candidates = search(execution.candidates(backend), measure, config.tuning.budget_seconds)
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
    """How `job` is executed: as published, or by the plan that was chosen here."""
    if job.execution == "published":
        return execution.PUBLISHED
    return Plan(**read_json(results.tune(job.model, job.backend, job.precision))["plan"])


def search(
    plans: list[Plan],
    measure: Callable[[Plan, float], dict],
    budget_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict]:
    """Measures the plans in turn and returns a record of each.

    A plan is abandoned once it has taken as long as the best one so far would for the whole training, since it cannot
    win any more, or when the budget is spent.
    """
    candidates, best, ends = [], float("inf"), clock() + budget_seconds
    for plan in plans:
        left = ends - clock()
        outcome = measure(plan, min(best, left)) if left > 0 else {"status": "abandoned"}
        if outcome["status"] == "abandoned":
            hopeless = f"after {best:.1f} s, since by then the best so far would have finished"
            outcome["error"] = hopeless if best < left else f"since the budget of {budget_seconds:g} s was spent"
        candidates.append({"plan": plan.as_dict(), **outcome})
        log.info("candidate %s", candidates[-1])
        if outcome["status"] == "measured":
            best = min(best, outcome["predicted_seconds"])
    return candidates


def choose(candidates: list[dict]) -> tuple[Plan, str]:
    """The measured plan with the least predicted time, and why; without any, the first one, Keras' own choice."""
    measured = [c for c in candidates if c["status"] == "measured"]
    if not measured:
        return Plan(**candidates[0]["plan"]), "no candidate could be measured, so the backend's default"
    best = min(measured, key=lambda c: c["predicted_seconds"])
    others = len(candidates) - len(measured)
    reason = f"least predicted time, {best['predicted_seconds']:.1f} s, of {len(measured)} measured"
    return Plan(**best["plan"]), reason + (f", {others} abandoned or failed" if others else "")


def _measure(config: Config, results: Results, job: Job, plan: Plan) -> dict:
    """Cold cost, step time and predicted training time of one plan, seconds."""
    began = time.perf_counter()
    execution.start(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench import models, optimization, timing
    from vitbench.feeding import Batches
    from vitbench.splits import split
    from vitbench.steps import init

    parts = models.build(job.model, config.models.parameters()[job.model], read_json(results.manifest))
    init.load(parts, results, job.model, config.seeds_of(job.model)[0])
    images, labels = split(results, config.dataset.validation_fraction)["train"]
    epochs = config.epochs_of(job.model)
    model = execution.assemble(parts, plan, optimization.build(config.training, epochs, len(images)))
    batches = Batches(images, labels, config.training.batch_size, seed=0, steps=config.tuning.timed_steps)
    timing.first_step(model, batches)
    cold = time.perf_counter() - began
    execution.check(model)
    blocks = timing.train_blocks(model, batches, warmup_steps=1, blocks=TIMED_BLOCKS, block_seconds=BLOCK_SECONDS)
    step = timing.step_seconds(blocks)
    steps = epochs * -(-len(images) // config.training.batch_size)
    return {
        "status": "measured",
        "error": None,
        "cold_seconds": cold,
        "step_seconds": step,
        "block_seconds": [block.seconds for block in blocks],
        "predicted_seconds": cold + steps * step,
        "jit_compile_effective": execution.audit(model)["jit_compile_effective"],
    }
