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
from vitbench.measure.gpu_busy import GpuBusyMeter
from vitbench.measure.native import NativeSubject
from vitbench.measure.peak_flops import measure_peak_flops
from vitbench.measure.timing import (
    LEAST_REPETITIONS,
    images_per_second,
    peak_memory,
    size_block,
    steady_state_columns,
    time_first_inference,
    time_first_step,
    time_inference,
    time_train_blocks,
    time_train_steps,
    warm_up,
    warmup_columns,
)
from vitbench.models.flops import flops_per_image
from vitbench.models.registry import ModelParts
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.disturbance import MachineWatch
from vitbench.system.environment import collect_environment
from vitbench.training.optimizers import build_optimizer


class Subject(Protocol):
    """What is measured: a Keras model or a native one, with its batches."""

    def train(self) -> dict:
        """Columns of tables/rounds for the phase train."""
        ...

    def infer(self) -> dict:
        """Columns of tables/rounds for the phase infer."""
        ...

    def audit(self) -> dict:
        """The execution audit of what was measured."""
        ...


def measure_phases(
    config: Config, results: Results, job: Job, batch_size: int, phases: list[str], startup: dict[str, float]
) -> dict:
    """Measures phases, train and infer, of one model in this process.

    Inference comes first: it needs less memory, so each phase has its own peak. What needs no repetition, such as the
    time breakdown, is measured after the speed and in the first round only.

    startup: the seconds that `start_backend` returned.

    Returns `rows`, the columns of tables/rounds and the timed blocks by phase; `device_peak_flops_per_second`; and
    `environment`, which includes the execution audit.
    """
    started = time.perf_counter()
    current_backend().set_seed(0)
    workload = load_workload(config, results, job.model, config.model_seeds(job.model)[0])
    batches = Batches(*workload.train, batch_size, seed=0, steps=config.throughput.steps_per_block)
    is_first_round = job.round_number == 1 and not job.is_control
    operations = flops_per_image(workload.parts.classifier) or {}
    subject: Subject
    if job.execution == "native":
        weights, normalization = workload.parts.trainable_weights(), workload.normalization
        del workload
        gc.collect()  # the memory of the Keras model must not count as the native model's
        subject = NativeSubject(config, job, weights, normalization, batches, is_first_round)
    else:
        optimizer = build_optimizer(config.training, 1, len(workload.train[0]))
        plan = load_plan(results, job)
        subject = KerasSubject(workload.parts, plan, optimizer, batches, config.throughput, is_first_round)
    startup = startup | {"build_seconds": time.perf_counter() - started}
    rows = {}
    on_gpu = current_backend().device()["type"] == "gpu"
    for phase in sorted(phases):  # infer, train
        watch = MachineWatch(on_gpu)
        row = startup | (subject.train() if phase == "train" else subject.infer()) | watch.finish()
        flops = operations.get(phase)
        row |= {"flops_per_image": flops, "achieved_flops_per_second": flops and flops * row["images_per_second"]}
        rows[phase] = row
    audit = {"seed": 0, "compilations_while_timed": 0, **subject.audit()}
    return {
        "rows": rows,
        "device_peak_flops_per_second": measure_peak_flops() if is_first_round else None,
        "environment": {**collect_environment(current_backend().device()), "execution": audit},
    }


class KerasSubject:
    """A Keras model, executed as `plan` says. is_complete: whether `train` also measures what needs no repetition."""

    def __init__(
        self,
        parts: ModelParts,
        plan: Plan,
        optimizer: keras.optimizers.Optimizer,
        batches: Batches,
        bounds: Bounds,
        is_complete: bool,
    ):
        self.plan, self.bounds, self.batches, self.is_complete = plan, bounds, batches, is_complete
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
        """Also measures the energy and, if complete, the time breakdown and the first step with another batch size."""
        model, batches, bounds = self.model, self.training_batches, self.bounds
        model.steps_per_execution = self.plan.steps_per_execution
        first_step_seconds = time_first_step(model, batches)
        check_execution(model)
        warm = warm_up(
            model,
            batches.with_steps(steps=bounds.warmup_steps),
            bounds.warmup_seconds,
            bounds.block_seconds,
            LEAST_REPETITIONS,
        )
        memory = peak_memory()  # read here, because the loops of the breakdown hold more than training does
        block = size_block(batches, warm.step_seconds, bounds.block_seconds, bounds.longest_block_seconds)
        on_gpu = current_backend().device()["type"] == "gpu"
        energy, busy = EnergyMeter(on_gpu), GpuBusyMeter(on_gpu)
        blocks = time_train_blocks(model, block, bounds.blocks, meters=[energy, busy])
        columns = {
            "first_step_seconds": first_step_seconds,
            **warmup_columns(warm),
            **memory,
            "gpu_busy_share": busy.share(),
            **steady_state_columns(blocks, time_train_steps(model, block)),
            "energy_joules_per_image": energy.joules_per_image(sum(block.images for block in blocks)),
            "energy_source": energy.source,
        }
        if not self.is_complete:
            return columns
        loops = time_loops(model, block, bounds.blocks)
        smaller = batches.with_steps(steps=1, batch_size=max(1, batches.batch_size // 2))
        return {
            **columns,
            "recompile_seconds": time_first_step(model, smaller) if bounds.recompilation else None,
            "images_per_second_reading_loss": images_per_second(loops.reading_loss),
            **loops.shares(),
            "loops": {name: [asdict(block) for block in blocks] for name, blocks in vars(loops).items()},
        }

    def audit(self) -> dict:
        return {"plan": self.plan.as_dict(), **audit_model(self.model)}
