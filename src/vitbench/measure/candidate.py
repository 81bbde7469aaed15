"""Measures one candidate plan of the step tune, in the process that calls it."""

import time

from vitbench.backends.plan import Plan
from vitbench.config.schema import Config
from vitbench.data.batches import Batches, even_batches
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import CompilationWatch, audit_model, check_execution
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.execution.workload import load_workload
from vitbench.formatting import format_number
from vitbench.measure import timing
from vitbench.measure.breakdown import repeat_first_batch, time_bare_steps
from vitbench.measure.timing import size_block, time_first_step, time_train_blocks
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.training.optimizers import build_optimizer

TIMED_BLOCKS = 3
WARMUP_STEPS = 2  # executions per repetition; there are at least two repetitions
WARMUP_SECONDS = 20.0
BLOCK_SECONDS = 0.5
LONGEST_BLOCK_SECONDS = 4.0
HOPELESS_STEPS = 3
HOPELESS = 3.0  # a plan whose first steps take this many times as long as those of the best plan is given up


def measure_candidate(
    config: Config, results: Results, job: Job, plan: Plan, started: float, best_step_seconds: float | None
) -> dict:
    """Measures the startup time, step time and predicted training time of one plan, in seconds.

    started: `time.perf_counter()` before the backend was started. The startup ends when training and validation have
    run one batch of each size that they will run, because each size is compiled on its own. best_step_seconds: of the
    best plan so far. A plan that is far slower is abandoned after a few steps.
    """
    workload = load_workload(config, results, job.model, config.model_seeds(job.model)[0])
    images, labels = workload.train
    epochs = config.model_epochs(job.model)
    model = assemble(workload.parts, plan, build_optimizer(config.training, epochs, len(images)))
    batch_size = config.training.batch_size
    batches = Batches(images, labels, batch_size, seed=0, steps=config.tuning.timed_steps)
    batches = build_input_pipeline(batches, plan, workload.parts)
    time_first_step(model, batches)
    if best_step_seconds:
        few_batches, compilations = (
            batches.with_steps(steps=HOPELESS_STEPS * plan.steps_per_execution),
            CompilationWatch(),
        )
        few = timing.warm_up(model, few_batches, limit_seconds=0)  # one repetition
        if few.step_seconds > HOPELESS * best_step_seconds and not compilations.count():
            times = format_number(few.step_seconds / best_step_seconds)
            error = f"after {HOPELESS_STEPS} steps, which took {times} times as long as those of the best candidate"
            return {"status": "abandoned", "error": error}
    if last_batch_size := len(images) % batch_size:
        time_first_step(model, batches.with_steps(steps=1, batch_size=last_batch_size))
    model.evaluate(even_batches(*workload.validation, max_batch_size=batch_size).with_steps(steps=1), verbose=0)
    startup = time.perf_counter() - started
    check_execution(model)
    warm = timing.warm_up(model, batches.with_steps(steps=WARMUP_STEPS * plan.steps_per_execution), WARMUP_SECONDS)
    block = size_block(batches, warm.step_seconds, BLOCK_SECONDS, LONGEST_BLOCK_SECONDS)
    blocks = time_train_blocks(model, block, TIMED_BLOCKS)
    repeated = repeat_first_batch(block)
    same_batch_blocks = time_train_blocks(model, block, 1, repeated_batch=repeated)
    alone = time_bare_steps(model, repeated, len(block))
    step = timing.step_seconds(blocks)
    steps = epochs * -(-len(images) // batch_size)
    return {
        "status": "measured",
        "error": None,
        "startup_seconds": startup,
        "step_seconds": step,
        "same_batch_step_seconds": timing.step_seconds(same_batch_blocks),
        "step_alone_seconds": alone / len(block),
        "block_seconds": [block.seconds for block in blocks],
        "timed_steps": sum(block.steps for block in blocks),
        "predicted_seconds": startup + steps * step,
        "jit_compile_effective": audit_model(model)["jit_compile_effective"],
    }
