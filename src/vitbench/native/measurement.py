"""A native model at one batch size, measured as the Keras models are: the same batches, blocks and bounds."""

import functools
from dataclasses import asdict

from vitbench import energy, execution, native, optimization, timing
from vitbench.config import Config
from vitbench.feeding import Batches
from vitbench.native.settings import Settings, Weights
from vitbench.records import Job


class Subject:
    """What vitbench.measurement measures, in place of the Keras model of the same `weights`."""

    def __init__(self, config: Config, job: Job, weights: Weights, normalization: dict, batches: Batches):
        self.bounds, self.batches = config.throughput, batches
        optimizer = config.training.optimizer
        decay = optimization.decay_per_learning_rate(optimizer)
        self.settings = Settings(optimizer.learning_rate, decay, job.precision, self.bounds.native_compiled)
        p = config.models.parameters()[job.model]
        self.model = native.build(job.backend, p, normalization, weights, self.settings)

    def infer(self) -> dict:
        def step(i: int) -> None:
            self.model.infer(self.batches[i][0])

        first, warm, steps = self._warmed(step)
        peaks = timing.peaks()
        blocks, single, _ = self._timed(step, steps)
        return {"first_step_seconds": first, **warm, **peaks, **timing.steady(blocks, single)}

    def train(self) -> dict:
        def step(i: int) -> None:
            self.model.train(*self.batches[i])

        kept = self.model.placed(*self.batches[0])
        first, warm, steps = self._warmed(step)
        meter = energy.Meter(execution.device()["type"] == "gpu")
        peaks = timing.peaks()
        blocks, single, same = self._timed(step, steps, lambda i: self.model.train(*kept), meter)
        half = self.batches.resized(steps=1, batch_size=max(1, self.batches.batch_size // 2))
        return {
            "first_step_seconds": first,
            "recompile_seconds": timing.called(lambda i: self.model.train(*half[i]), 1),
            **warm,
            **peaks,
            **timing.steady(blocks, single),
            "input_seconds_share": max(0.0, 1 - timing.step_seconds(same) / timing.step_seconds(blocks)),
            "energy_joules_per_image": meter.joules and meter.joules / sum(block.images for block in blocks),
            "energy_source": meter.source,
            "loops": {"whole": [asdict(b) for b in blocks], "same_batch": [asdict(b) for b in same]},
        }

    def audit(self) -> dict:
        return {"plan": {"native_compiled": self.settings.compiled}, **execution.audit_of_process()}

    def _warmed(self, step) -> tuple[float, dict, int]:
        """Seconds of the first step, the columns that tell of the warm-up, and how many steps a block should have."""
        first, bounds = timing.called(step, 1), self.bounds
        round_ = functools.partial(timing.called, step, bounds.warmup_steps)
        warm = timing.in_rounds(round_, bounds.warmup_steps, bounds.warmup_seconds)
        limits = bounds.block_seconds, bounds.longest_block_seconds
        return first, timing.told(warm), len(timing.lasting(self.batches, warm.step_seconds, *limits))

    def _timed(self, step, steps: int, same_batch=None, meter: energy.Meter | None = None) -> tuple[list, list, list]:
        """Blocks of `step`; seconds of single steps; blocks of `same_batch`, which take turns with the first."""
        block = functools.partial(timing.block_of, self.batches.resized(steps=steps))
        compilations, blocks, same = execution.Compilations(), [], []
        for _ in range(self.bounds.blocks):
            if meter:
                execution.synchronize()
                meter.on_epoch_begin(0)
            blocks.append(block(timing.called(step, steps)))
            if meter:
                meter.on_epoch_end(0)
            if same_batch:
                same.append(block(timing.called(same_batch, steps)))
        single = [timing.called(step, 1) for _ in range(steps)]
        compilations.check("in the timed steps")
        return blocks, single, same
