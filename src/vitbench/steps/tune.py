"""tune: times several plans for the same training and chooses the one with the least predicted time.

Each candidate is measured in a process of its own. So its startup time is real, and a crash or an endless compilation
ends the candidate only.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from vitbench.backends.base import Backend
from vitbench.backends.plan import Plan
from vitbench.backends.process import DeviceError, raise_device_errors, start_backend
from vitbench.backends.registry import get_backend
from vitbench.config.schema import Config
from vitbench.execution.plans import choose_plan, search_plans
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION
from vitbench.system.files import write_json
from vitbench.system.gpus import has_gpu
from vitbench.system.logs import UserError, notify
from vitbench.system.scratch import scratch_folder
from vitbench.system.subprocesses import run_in_subprocess
from vitbench.system.times import process_times


def run(config: Config, results: Results, model: str, backend: str, precision: str) -> None:
    """Writes the candidates with their times, the chosen plan and the reason.

    Raises DeviceError if the config needs a GPU and there is none that works.
    """
    job = Job(model, backend, "tuned", precision)

    augmented = config.models.is_augmented(model)
    plans = get_backend(backend).candidate_plans(augmented, config.accelerator != "cpu" and has_gpu())
    variations = get_backend(backend).plan_variations(augmented)
    bounds = config.tuning
    with _compilation_folders(get_backend(backend)) as share_compilations:

        def measure(plan: Plan, limit: float, best_step_seconds: float | None) -> dict:
            try:
                share_compilations(plan)
                return run_in_subprocess(_measure, (config, results, job, plan, best_step_seconds), limit)
            except DeviceError:
                raise
            except UserError as error:
                return {"status": "failed", "error": str(error)}

        candidates = search_plans(plans, variations, measure, bounds.budget_seconds, bounds.minimum_seconds)
    chosen, reason = choose_plan(candidates)
    notify(f"tune {model} · {backend}: {chosen} ({reason})")
    content = {
        "schema_version": SCHEMA_VERSION,
        "experiment": config.experiment,
        "model": model,
        "backend": backend,
        "precision": precision,
        "candidates": candidates,
        "plan": chosen.as_dict(),
        "reason": reason,
        **process_times(),
    }
    write_json(results.tune(model, backend, precision), content)


@contextmanager
def _compilation_folders(backend: Backend) -> Iterator[Callable[[Plan], None]]:
    """Yields a function that lets the next process share what the processes of the same program have compiled.

    Plans that differ only in their input pipeline run the same program. A folder that the user has set stays.
    """
    unset = [name for name in backend.compilation_caches if name not in os.environ]
    with tempfile.TemporaryDirectory(dir=scratch_folder(), ignore_cleanup_errors=True) as folder:
        programs: list[Plan] = []

        def share(plan: Plan) -> None:
            program = replace(plan, input_pipeline="batches")
            if program not in programs:
                programs.append(program)
            os.environ.update(dict.fromkeys(unset, str(Path(folder, str(programs.index(program))))))

        try:
            yield share
        finally:
            for name in unset:
                os.environ.pop(name, None)


@raise_device_errors()
def _measure(config: Config, results: Results, job: Job, plan: Plan, best_step_seconds: float | None) -> dict:
    started = time.perf_counter()
    start_backend(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench.measure.candidate import measure_candidate  # imports Keras

    return measure_candidate(config, results, job, plan, started, best_step_seconds)
