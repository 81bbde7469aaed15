"""throughput: training and inference steps per second in steady state, on nothing but steps, device-synchronised."""

from dataclasses import asdict

import keras
import numpy as np

from vitbench import execution, models, optimization, timing
from vitbench.config import Config
from vitbench.environment import peak_host_memory_bytes
from vitbench.feeding import Batches
from vitbench.progress import Bar
from vitbench.records import THROUGHPUT_VALUES, Job, gate, write_throughput
from vitbench.results import Results, read_json
from vitbench.splits import split
from vitbench.steps import init, tune

PHASES = ("train", "infer")


def run(config: Config, results: Results, job: Job, import_seconds: float) -> str:
    """Times `job` at each batch size and returns its status. Raises records.Gated if parity failed."""
    warning = gate(config, results, job)
    keras.utils.set_random_seed(0)
    parts = models.build(job.model, config.models.parameters()[job.model], read_json(results.manifest))
    init.load(parts, results, job.model, config.seeds_of(job.model)[0])
    plan = tune.plan(results, job)
    images, labels = split(results, config.dataset.validation_fraction)["train"]
    optimizer = optimization.build(config.training, config.epochs_of(job.model), len(images))
    model = execution.assemble(parts, plan, optimizer)
    measurements = []
    bar = Bar(f"throughput {job}", len(config.batch_sizes()) * len(PHASES), "measurement")
    for batch_size in config.batch_sizes():
        batches = Batches(images, labels, batch_size, seed=0, steps=config.throughput.steps_per_block)
        for phase in PHASES:
            measurements.append(measure(model, phase, batches, config))
            execution.check(model)
            bar.advance(images_per_second=measurements[-1]["images_per_second"])
    bar.close()
    values = {
        "error": warning,
        "measurements": measurements,
        "import_seconds": import_seconds,
        "peak_host_memory_bytes": peak_host_memory_bytes(),
        "peak_device_memory_bytes": execution.peak_device_memory_bytes(),
        # A measurement in which something was compiled is none, and has failed.
        "audit": {"plan": plan.as_dict(), "seed": 0, "compilations_while_timed": 0, **execution.audit(model)},
    }
    write_throughput(config, results, job, "completed", values)
    return "completed"


def measure(model: keras.Model, phase: str, batches: Batches, config: Config) -> dict:
    """One row of tables/throughput, with the raw blocks and the seconds of the first, compiling step beside it."""
    timed = config.throughput
    if phase == "train":
        first_step_seconds = timing.first_step(model, batches)
        blocks = timing.train_blocks(model, batches, timed.warmup_steps, timed.blocks, timed.block_seconds)
        steps = timing.train_steps(model, batches)
    else:
        first_step_seconds = timing.first_inference(model, batches)
        blocks, steps = timing.infer(model, batches, timed.warmup_steps, timed.blocks, timed.block_seconds)
    return dict.fromkeys(THROUGHPUT_VALUES) | {
        "phase": phase,
        "batch_size": batches.batch_size,
        "warmup_steps": timed.warmup_steps,
        "timed_steps": sum(block.steps for block in blocks),
        "images_per_second": timing.images_per_second(blocks),
        "step_seconds_p50": float(np.percentile(steps, 50)),
        "step_seconds_p95": float(np.percentile(steps, 95)),
        "first_step_seconds": first_step_seconds,
        "blocks": [asdict(block) for block in blocks],
    }
