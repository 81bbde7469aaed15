"""One model at one batch size, measured from its build to the steady state, in the process that calls this."""

import gc
import time
from dataclasses import asdict
from typing import Protocol

import keras

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.config.measurement import Throughput as Bounds
from vitbench.config.schema import Config
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import audit_model, check_execution
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.execution.plans import load_plan
from vitbench.execution.workload import load_workload
from vitbench.measure.breakdown import time_loops
from vitbench.measure.energy import EnergyMeter
from vitbench.measure.native import NativeSubject
from vitbench.measure.peak_flops import measure_peak_flops
from vitbench.measure.timing import (
    images_per_second,
    peak_memory,
    size_block,
    steady_state_columns,
    time_first_inference,
    time_first_step,
    time_inference,
    time_train_steps,
    warm_up,
    warmup_columns,
)
from vitbench.models.flops import flops_per_image
from vitbench.models.registry import ModelParts
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.environment import collect_environment
from vitbench.training.optimizers import build_optimizer


class Subject(Protocol):
    """What is measured: a Keras model or a native one, with its batches."""

    def train(self) -> dict:
        """Columns of tables/throughput for the phase train."""
        ...

    def infer(self) -> dict:
        """Columns of tables/throughput for the phase infer."""
        ...

    def audit(self) -> dict:
        """The execution audit of what was measured."""
        ...


def measure_phase(
    config: Config, results: Results, job: Job, batch_size: int, phase: str, import_seconds: float
) -> dict:
    """Measures one phase, train or infer.

    Returns `row`, the columns of tables/throughput and the timed blocks; `device_peak_flops_per_second`; and
    `environment`, which includes the execution audit.
    """
    started = time.perf_counter()
    current_backend().set_seed(0)
    workload = load_workload(config, results, job.model, config.model_seeds(job.model)[0])
    batches = Batches(*workload.train, batch_size, seed=0, steps=config.throughput.steps_per_block)
    operations = flops_per_image(workload.parts.classifier) or {}
    subject: Subject
    if job.execution == "native":
        weights, normalization = workload.parts.trainable_weights(), workload.normalization
        del workload
        gc.collect()  # the memory of the Keras model must not count as the native model's
        subject = NativeSubject(config, job, weights, normalization, batches)
    else:
        optimizer = build_optimizer(config.training, 1, len(workload.train[0]))
        subject = KerasSubject(workload.parts, load_plan(results, job), optimizer, batches, config.throughput)
    row = {"import_seconds": import_seconds, "build_seconds": time.perf_counter() - started}
    row |= subject.train() if phase == "train" else subject.infer()
    flops = operations.get(phase)
    row |= {"flops_per_image": flops, "achieved_flops_per_second": flops and flops * row["images_per_second"]}
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
        self.training_batches = build_input_pipeline(batches, plan, parts)
        self.model = assemble(parts, plan, optimizer)

    def infer(self) -> dict:
        """Runs one step per execution, even if training runs several: a step ends with its logits on the host."""
        bounds, self.model.steps_per_execution = self.bounds, 1
        first_step_seconds = time_first_inference(self.model, self.batches)
        check_execution(self.model)
        warm, memory, blocks, steps = time_inference(
            self.model,
            self.batches,
            bounds.warmup_steps,
            bounds.warmup_seconds,
            bounds.blocks,
            bounds.block_seconds,
            bounds.longest_block_seconds,
        )
        return {
            "first_step_seconds": first_step_seconds,
            **warmup_columns(warm),
            **memory,
            **steady_state_columns(blocks, steps),
        }

    def train(self) -> dict:
        """Also measures the time breakdown, the energy, and the first step with another batch size."""
        model, batches, bounds = self.model, self.training_batches, self.bounds
        model.steps_per_execution = self.plan.steps_per_execution
        first_step_seconds = time_first_step(model, batches)
        check_execution(model)
        warm = warm_up(model, batches.with_steps(steps=bounds.warmup_steps), bounds.warmup_seconds)
        memory = peak_memory()  # read here, because the loops of the breakdown hold more than training does
        block = size_block(batches, warm.step_seconds, bounds.block_seconds, bounds.longest_block_seconds)
        meter = EnergyMeter(current_backend().device()["type"] == "gpu")
        loops = time_loops(model, block, bounds.blocks, whole_callbacks=(meter,))
        steady_state = steady_state_columns(loops.whole, time_train_steps(model, block))
        smaller = batches.with_steps(steps=1, batch_size=max(1, batches.batch_size // 2))
        return {
            "first_step_seconds": first_step_seconds,
            "recompile_seconds": time_first_step(model, smaller),
            **warmup_columns(warm),
            **memory,
            **steady_state,
            "images_per_second_reading_loss": images_per_second(loops.reading_loss),
            **loops.shares(),
            "energy_joules_per_image": meter.joules_per_image(sum(block.images for block in loops.whole)),
            "energy_source": meter.source,
            "loops": {name: [asdict(block) for block in blocks] for name, blocks in vars(loops).items()},
        }

    def audit(self) -> dict:
        return {"plan": self.plan.as_dict(), **audit_model(self.model)}
