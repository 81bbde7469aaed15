"""Measures a native model at one batch size as the Keras models are measured: same batches, blocks and bounds."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict

from vitbench.backends.process import current_backend
from vitbench.config.models import ViT
from vitbench.config.schema import Config
from vitbench.data.batches import Batches
from vitbench.execution.audit import CompilationWatch, audit_process
from vitbench.measure.energy import EnergyMeter
from vitbench.measure.gpu_busy import GpuBusyMeter
from vitbench.measure.timing import (
    LEAST_REPETITIONS,
    Block,
    Meter,
    make_block,
    peak_memory,
    repeat_until_settled,
    size_block,
    steady_state_columns,
    step_seconds,
    time_calls,
    warmup_columns,
)
from vitbench.models.native.registry import Settings, Weights, build_native
from vitbench.results.jobs import Job
from vitbench.training.optimizers import keras_weight_decay

Step = Callable[[int], object]


class NativeSubject:
    """A native model that starts from the weights of the Keras model.

    weights: by the path of the weight in the Keras model. normalization: `mean` and `variance` of each channel.
    is_complete: whether `train` also measures what needs no repetition.
    """

    def __init__(
        self,
        config: Config,
        job: Job,
        weights: Weights,
        normalization: dict,
        batches: Batches,
        is_complete: bool,
    ):
        self.bounds, self.batches, self.is_complete = config.throughput, batches, is_complete
        optimizer = config.training.optimizer
        decay = keras_weight_decay(optimizer)
        self.settings = Settings(optimizer.learning_rate, decay, job.precision, self.bounds.native_compiled)
        parameters = config.models.parameters()[job.model]
        assert isinstance(parameters, ViT), "the config offers native for a Vision Transformer only"
        self.model = build_native(job.backend, parameters, normalization, weights, self.settings)

    def infer(self) -> dict:
        def step(i: int) -> None:
            self.model.infer(self.batches[i][0])

        columns, steps = self._warm_up(step)
        memory = peak_memory()
        blocks, _, single_steps = self._time(step, steps)
        return {**columns, **memory, **steady_state_columns(blocks, single_steps)}

    def train(self) -> dict:
        def step(i: int) -> None:
            self.model.train(*self.batches[i])

        columns, steps = self._warm_up(step)
        on_gpu = current_backend().device()["type"] == "gpu"
        energy, busy = EnergyMeter(on_gpu), GpuBusyMeter(on_gpu)
        memory = peak_memory()
        batch = self.model.place(*self.batches[0]) if self.is_complete else None
        same_batch_step = (lambda i: self.model.train(*batch)) if batch else None
        blocks, same_batch, single_steps = self._time(step, steps, same_batch_step, [energy, busy])
        columns |= {
            **memory,
            "gpu_busy_share": busy.share(),
            **steady_state_columns(blocks, single_steps),
            "energy_joules_per_image": energy.joules_per_image(sum(block.images for block in blocks)),
            "energy_source": energy.source,
        }
        if not self.is_complete:
            return columns
        smaller = self.batches.with_steps(steps=1, batch_size=max(1, self.batches.batch_size // 2))
        recompile = self.bounds.recompilation
        return {
            **columns,
            "recompile_seconds": time_calls(lambda i: self.model.train(*smaller[i]), 1) if recompile else None,
            "input_seconds_share": max(0.0, 1 - step_seconds(same_batch) / step_seconds(blocks)),
            "loops": {
                "whole": [asdict(block) for block in blocks],
                "same_batch": [asdict(block) for block in same_batch],
            },
        }

    def audit(self) -> dict:
        return {"plan": {"native_compiled": self.settings.compiled}, **audit_process()}

    def _warm_up(self, step: Step) -> tuple[dict, int]:
        """Runs the first step and the warm-up. Returns their columns and the number of steps in a block."""
        bounds = self.bounds
        first_step_seconds = time_calls(step, 1)
        repeat = functools.partial(time_calls, step, bounds.warmup_steps)
        warm = repeat_until_settled(
            repeat, bounds.warmup_steps, bounds.warmup_seconds, bounds.block_seconds, LEAST_REPETITIONS
        )
        block = size_block(self.batches, warm.step_seconds, bounds.block_seconds, bounds.longest_block_seconds)
        return {"first_step_seconds": first_step_seconds, **warmup_columns(warm)}, len(block)

    def _time(
        self, step: Step, steps: int, same_batch_step: Step | None = None, meters: Sequence[Meter] = ()
    ) -> tuple[list[Block], list[Block], list[float]]:
        """Times blocks of `step`, in turn with blocks of `same_batch_step`, and then single steps, in seconds."""
        batches = self.batches.with_steps(steps=steps)
        compilations, blocks, same_batch = CompilationWatch(), [], []
        for _ in range(self.bounds.blocks):
            if meters:
                current_backend().synchronize()
            for meter in meters:
                meter.start()
            blocks.append(make_block(batches, time_calls(step, steps)))
            for meter in meters:
                meter.stop()
            if same_batch_step:
                same_batch.append(make_block(batches, time_calls(same_batch_step, steps)))
        single_steps = [time_calls(step, 1) for _ in range(steps)]
        compilations.check("in the timed steps")
        return blocks, same_batch, single_steps
