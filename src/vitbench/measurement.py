"""One model at one batch size, measured from build to steady state, in the process that this is called in."""

import gc
import time
from dataclasses import asdict

import keras

from vitbench import energy, environment, execution, flops, models, optimization, peak, shares, timing
from vitbench.config import Config
from vitbench.config import Throughput as Bounds
from vitbench.execution import Plan, feeds
from vitbench.feeding import Batches
from vitbench.models import Parts
from vitbench.native import measurement as native
from vitbench.records import Job
from vitbench.results import Results, read_json
from vitbench.splits import split
from vitbench.steps import init, tune


def of(config: Config, results: Results, job: Job, batch_size: int, phase: str, import_seconds: float) -> dict:
    """One phase, train or infer: its `row` of tables/throughput, with the raw blocks beside the columns.

    Beside it `device_peak_flops_per_second`, and the `environment` that all of it was measured in.
    """
    began = time.perf_counter()
    execution.set_seed(0)
    manifest = read_json(results.manifest)
    parts = models.build(job.model, config.models.parameters()[job.model], manifest)
    init.load(parts, results, job.model, config.seeds_of(job.model)[0])
    images, labels = split(results, config.dataset.validation_fraction)["train"]
    batches = Batches(images, labels, batch_size, seed=0, steps=config.throughput.steps_per_block)
    operations = flops.per_image(parts.classifier) or {}
    if job.execution == "native":
        weights = parts.trainable_weights()
        del parts
        gc.collect()  # so that Keras' model is not counted among what the native one needs
        subject = native.Subject(config, job, weights, manifest["normalization"], batches)
    else:
        optimizer = optimization.build(config.training, 1, len(images))
        subject = Subject(parts, tune.plan(results, job), optimizer, batches, config.throughput)
    row = {"import_seconds": import_seconds, "build_seconds": time.perf_counter() - began}
    row |= subject.train() if phase == "train" else subject.infer()
    work = operations.get(phase)
    row |= {"flops_per_image": work, "achieved_flops_per_second": work and work * row["images_per_second"]}
    audit = {"seed": 0, "compilations_while_timed": 0, **subject.audit()}
    return {
        "row": row,
        "device_peak_flops_per_second": peak.flops_per_second(),
        "environment": {**environment.collect(execution.device()), "execution": audit},
    }


class Subject:
    """A Keras model, executed as `plan` says."""

    def __init__(
        self, parts: Parts, plan: Plan, optimizer: keras.optimizers.Optimizer, batches: Batches, bounds: Bounds
    ):
        self.plan, self.bounds, self.batches = plan, bounds, batches
        self.fed = feeds.of(batches, plan, parts)
        self.model = execution.assemble(parts, plan, optimizer)

    def infer(self) -> dict:
        """Step by step, even where training takes several at once: logits that nobody has seen are of no use."""
        bounds, self.model.steps_per_execution = self.bounds, 1
        first_step_seconds = timing.first_inference(self.model, self.batches)
        execution.check(self.model)
        warmup = bounds.warmup_steps, bounds.warmup_seconds
        limits = bounds.block_seconds, bounds.longest_block_seconds
        warm, peaks, blocks, steps = timing.infer(self.model, self.batches, *warmup, bounds.blocks, *limits)
        told = {"first_step_seconds": first_step_seconds, **timing.told(warm)}
        return {**told, **peaks, **timing.steady(blocks, steps)}

    def train(self) -> dict:
        """Beside the steady state: where the time goes, its energy, and what a batch of another size costs."""
        model, fed, bounds = self.model, self.fed, self.bounds
        model.steps_per_execution = self.plan.steps_per_execution
        first_step_seconds = timing.first_step(model, fed)
        execution.check(model)
        warm = timing.warm_up(model, fed.resized(steps=bounds.warmup_steps), bounds.warmup_seconds)
        peaks = timing.peaks()  # here, since the loops that are compared with hold more than training does
        block = timing.lasting(fed, warm.step_seconds, bounds.block_seconds, bounds.longest_block_seconds)
        meter = energy.Meter(execution.device()["type"] == "gpu")
        loops = shares.timed(model, block, bounds.blocks, on_whole=(meter,))
        steady = timing.steady(loops.whole, timing.train_steps(model, block))
        smaller = fed.resized(steps=1, batch_size=max(1, fed.batch_size // 2))
        return {
            "first_step_seconds": first_step_seconds,
            "recompile_seconds": timing.first_step(model, smaller),
            **timing.told(warm),
            **peaks,
            **steady,
            "images_per_second_reading_loss": timing.images_per_second(loops.reading_loss),
            **loops.shares(),
            "energy_joules_per_image": meter.joules and meter.joules / sum(block.images for block in loops.whole),
            "energy_source": meter.source,
            "loops": {name: [asdict(block) for block in blocks] for name, blocks in vars(loops).items()},
        }

    def audit(self) -> dict:
        return {"plan": self.plan.as_dict(), **execution.audit(self.model)}
