"""A native model at one batch size, measured as the Keras models are: the same batches, blocks and bounds."""

import functools
from dataclasses import asdict

from vitbench.backends.process import current_backend
from vitbench.config.schema import Config
from vitbench.data.batches import Batches
from vitbench.execution.audit import CompilationWatch, audit_process
from vitbench.measure import timing
from vitbench.measure.energy import EnergyMeter
from vitbench.measure.timing import (
    make_block,
    peak_memory,
    repeat_until_settled,
    size_block,
    steady_state_columns,
    time_calls,
    warmup_columns,
)
from vitbench.models.native.registry import Settings, Weights, build_native
from vitbench.results.jobs import Job
from vitbench.training.optimizers import keras_weight_decay


class NativeSubject:
    """What vitbench.measurement measures, in place of the Keras model of the same `weights`."""

    def __init__(self, config: Config, job: Job, weights: Weights, normalization: dict, batches: Batches):
        self.bounds, self.batches = config.throughput, batches
        optimizer = config.training.optimizer
        decay = keras_weight_decay(optimizer)
        self.settings = Settings(optimizer.learning_rate, decay, job.precision, self.bounds.native_compiled)
        p = config.models.parameters()[job.model]
        self.model = build_native(job.backend, p, normalization, weights, self.settings)

    def infer(self) -> dict:
        def step(i: int) -> None:
            self.model.infer(self.batches[i][0])

        first, warm, steps = self._warmed(step)
        peaks = peak_memory()
        blocks, single, _ = self._timed(step, steps)
        return {"first_step_seconds": first, **warm, **peaks, **steady_state_columns(blocks, single)}

    def train(self) -> dict:
        def step(i: int) -> None:
            self.model.train(*self.batches[i])

        kept = self.model.place(*self.batches[0])
        first, warm, steps = self._warmed(step)
        meter = EnergyMeter(current_backend().device()["type"] == "gpu")
        peaks = peak_memory()
        blocks, single, same = self._timed(step, steps, lambda i: self.model.train(*kept), meter)
        half = self.batches.with_steps(steps=1, batch_size=max(1, self.batches.batch_size // 2))
        return {
            "first_step_seconds": first,
            "recompile_seconds": time_calls(lambda i: self.model.train(*half[i]), 1),
            **warm,
            **peaks,
            **steady_state_columns(blocks, single),
            "input_seconds_share": max(0.0, 1 - timing.step_seconds(same) / timing.step_seconds(blocks)),
            "energy_joules_per_image": meter.joules and meter.joules / sum(block.images for block in blocks),
            "energy_source": meter.source,
            "loops": {"whole": [asdict(b) for b in blocks], "same_batch": [asdict(b) for b in same]},
        }

    def audit(self) -> dict:
        return {"plan": {"native_compiled": self.settings.compiled}, **audit_process()}

    def _warmed(self, step) -> tuple[float, dict, int]:
        """Seconds of the first step, the columns that tell of the warm-up, and how many steps a block should have."""
        first, bounds = time_calls(step, 1), self.bounds
        round_ = functools.partial(time_calls, step, bounds.warmup_steps)
        warm = repeat_until_settled(round_, bounds.warmup_steps, bounds.warmup_seconds)
        limits = bounds.block_seconds, bounds.longest_block_seconds
        return first, warmup_columns(warm), len(size_block(self.batches, warm.step_seconds, *limits))

    def _timed(self, step, steps: int, same_batch=None, meter: EnergyMeter | None = None) -> tuple[list, list, list]:
        """Blocks of `step`; seconds of single steps; blocks of `same_batch`, which take turns with the first."""
        block = functools.partial(make_block, self.batches.with_steps(steps=steps))
        compilations, blocks, same = CompilationWatch(), [], []
        for _ in range(self.bounds.blocks):
            if meter:
                current_backend().synchronize()
                meter.on_epoch_begin(0)
            blocks.append(block(time_calls(step, steps)))
            if meter:
                meter.on_epoch_end(0)
            if same_batch:
                same.append(block(time_calls(same_batch, steps)))
        single = [time_calls(step, 1) for _ in range(steps)]
        compilations.check("in the timed steps")
        return blocks, single, same
