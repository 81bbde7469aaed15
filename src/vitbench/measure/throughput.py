"""One model at one batch size, measured from build to steady state, in the process that this is called in."""

import gc
import time
from dataclasses import asdict

import keras

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.config.schema import Config
from vitbench.config.schema import Throughput as Bounds
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import audit_model, check_execution
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.execution.plans import load_plan
from vitbench.execution.workload import load_workload
from vitbench.measure import timing
from vitbench.measure.breakdown import time_loops
from vitbench.measure.energy import EnergyMeter
from vitbench.measure.native import NativeSubject
from vitbench.measure.peak_flops import measure_peak_flops
from vitbench.measure.timing import (
    peak_memory,
    size_block,
    steady_state_columns,
    time_first_inference,
    time_first_step,
    time_inference,
    time_train_steps,
    warmup_columns,
)
from vitbench.models.flops import flops_per_image
from vitbench.models.registry import ModelParts
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.environment import collect_environment
from vitbench.training.optimizers import build_optimizer


def measure_phase(
    config: Config, results: Results, job: Job, batch_size: int, phase: str, import_seconds: float
) -> dict:
    """One phase, train or infer: its `row` of tables/throughput, with the raw blocks beside the columns.

    Beside it `device_peak_flops_per_second`, and the `environment` that all of it was measured in.
    """
    began = time.perf_counter()
    current_backend().set_seed(0)
    workload = load_workload(config, results, job.model, config.model_seeds(job.model)[0])
    parts, (images, labels) = workload.parts, workload.train
    batches = Batches(images, labels, batch_size, seed=0, steps=config.throughput.steps_per_block)
    operations = flops_per_image(parts.classifier) or {}
    if job.execution == "native":
        weights = parts.trainable_weights()
        normalization = workload.normalization
        del parts, workload
        gc.collect()  # so that Keras' model is not counted among what the native one needs
        subject = NativeSubject(config, job, weights, normalization, batches)
    else:
        optimizer = build_optimizer(config.training, 1, len(images))
        subject = KerasSubject(parts, load_plan(results, job), optimizer, batches, config.throughput)
    row = {"import_seconds": import_seconds, "build_seconds": time.perf_counter() - began}
    row |= subject.train() if phase == "train" else subject.infer()
    work = operations.get(phase)
    row |= {"flops_per_image": work, "achieved_flops_per_second": work and work * row["images_per_second"]}
    audit = {"seed": 0, "compilations_while_timed": 0, **subject.audit()}
    return {
        "row": row,
        "device_peak_flops_per_second": measure_peak_flops(),
        "environment": {**collect_environment(current_backend().device()), "execution": audit},
    }


class KerasSubject:
    """A Keras model, executed as `plan` says."""

    def __init__(
        self, parts: ModelParts, plan: Plan, optimizer: keras.optimizers.Optimizer, batches: Batches, bounds: Bounds
    ):
        self.plan, self.bounds, self.batches = plan, bounds, batches
        self.fed = build_input_pipeline(batches, plan, parts)
        self.model = assemble(parts, plan, optimizer)

    def infer(self) -> dict:
        """Step by step, even where training takes several at once: logits that nobody has seen are of no use."""
        bounds, self.model.steps_per_execution = self.bounds, 1
        first_step_seconds = time_first_inference(self.model, self.batches)
        check_execution(self.model)
        warmup = bounds.warmup_steps, bounds.warmup_seconds
        limits = bounds.block_seconds, bounds.longest_block_seconds
        warm, peaks, blocks, steps = time_inference(self.model, self.batches, *warmup, bounds.blocks, *limits)
        told = {"first_step_seconds": first_step_seconds, **warmup_columns(warm)}
        return {**told, **peaks, **steady_state_columns(blocks, steps)}

    def train(self) -> dict:
        """Beside the steady state: where the time goes, its energy, and what a batch of another size costs."""
        model, fed, bounds = self.model, self.fed, self.bounds
        model.steps_per_execution = self.plan.steps_per_execution
        first_step_seconds = time_first_step(model, fed)
        check_execution(model)
        warm = timing.warm_up(model, fed.with_steps(steps=bounds.warmup_steps), bounds.warmup_seconds)
        peaks = peak_memory()  # here, since the loops that are compared with hold more than training does
        block = size_block(fed, warm.step_seconds, bounds.block_seconds, bounds.longest_block_seconds)
        meter = EnergyMeter(current_backend().device()["type"] == "gpu")
        loops = time_loops(model, block, bounds.blocks, on_whole=(meter,))
        steady = steady_state_columns(loops.whole, time_train_steps(model, block))
        smaller = fed.with_steps(steps=1, batch_size=max(1, fed.batch_size // 2))
        return {
            "first_step_seconds": first_step_seconds,
            "recompile_seconds": time_first_step(model, smaller),
            **warmup_columns(warm),
            **peaks,
            **steady,
            "images_per_second_reading_loss": timing.images_per_second(loops.reading_loss),
            **loops.shares(),
            "energy_joules_per_image": meter.joules and meter.joules / sum(block.images for block in loops.whole),
            "energy_source": meter.source,
            "loops": {name: [asdict(block) for block in blocks] for name, blocks in vars(loops).items()},
        }

    def audit(self) -> dict:
        return {"plan": self.plan.as_dict(), **audit_model(self.model)}
