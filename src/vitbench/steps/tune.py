"""tune: times several plans for the same training and chooses the one with the least predicted time.

Each candidate is measured in a process of its own. So its startup time is real, and a crash or an endless compilation
ends the candidate only.
"""

import time

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
from vitbench.system.subprocesses import run_in_subprocess
from vitbench.system.times import process_times


def run(config: Config, results: Results, model: str, backend: str, precision: str) -> None:
    """Writes the candidates with their times, the chosen plan and the reason.

    Raises DeviceError if the config needs a GPU and there is none that works.
    """
    job = Job(model, backend, "tuned", precision)

    def measure(plan: Plan, limit: float) -> dict:
        try:
            return run_in_subprocess(_measure, (config, results, job, plan), limit)
        except DeviceError:
            raise
        except UserError as error:
            return {"status": "failed", "error": str(error)}

    augmented = config.models.is_augmented(model)
    plans = get_backend(backend).candidate_plans(augmented, config.accelerator != "cpu" and has_gpu())
    variations = get_backend(backend).plan_variations(augmented)
    candidates = search_plans(plans, variations, measure, config.tuning.budget_seconds)
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


@raise_device_errors()
def _measure(config: Config, results: Results, job: Job, plan: Plan) -> dict:
    started = time.perf_counter()
    start_backend(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench.measure.candidate import measure_candidate  # imports Keras

    return measure_candidate(config, results, job, plan, started)
