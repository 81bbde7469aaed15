"""The failure policy: a job that fails becomes a row; a missing or broken GPU and too little memory end the process.

In the second case a scheduler can repeat the job on another machine. A job that fails because of its config or its code
would fail again, so the failure is recorded and the command succeeds.
"""

from collections.abc import Callable

from vitbench.backends.process import choose_backend, is_machine_failure, start_backend
from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.writers import write_unfinished
from vitbench.system.core_claim import claim_cores
from vitbench.system.files import read_json
from vitbench.system.gpu_claim import claim_gpu
from vitbench.system.logs import UserError, log, notify
from vitbench.system.subprocesses import run_in_subprocess


def run_data(config: Config, results: Results) -> None:
    """Runs the step data. If a module imports Keras, Keras uses the backend of this environment."""
    choose_backend(config.data_backend())
    from vitbench.steps import data

    data.run(config, results)


def run_init(config: Config, results: Results, model: str, seed: int) -> None:
    """Runs the step init on the reference backend of `model`, on the CPU."""
    start_backend(config.reference_backend(model), "float32", "cpu")
    from vitbench.steps import init

    init.run(config, results, model, seed)


def run_sample(config: Config, results: Results, model: str, backend: str) -> None:
    """Runs the step sample, on the CPU if there is no GPU."""
    startup = start_backend(backend, config.precisions[0], config.accelerator, allow_cpu=True)
    from vitbench.steps import sample

    sample.run(config, results, model, backend, startup)


def run_estimate(config: Config, results: Results) -> None:
    """Runs the step estimate, after the steps data and sample where their results are missing.

    In the workflow, rules have made them, because the environment of the rule estimate has no backend and no NVML.
    """
    from vitbench.steps import estimate

    if missing := estimate.list_missing_samples(config, results):
        claim_gpu(config.accelerator)
        claim_cores()
        if not results.manifest.exists() or read_json(results.manifest)["settings"] != config.relevant_settings("data"):
            notify(f"estimate: preparing the images of {config.dataset.name}")
            _run_isolated("data", run_data, config, results)
        for model, backend in missing:
            notify(f"estimate: timing a few steps of {model} on {backend}")
            _run_isolated(f"sample of {model} on {backend}", run_sample, config, results, model, backend)
    estimate.run(config, results)


def run_parity(config: Config, results: Results, model: str, backend: str) -> None:
    """Runs the step parity. A backend that cannot compute the quantities fails parity."""
    try:
        start_backend(backend, "float32", config.accelerator, config.allow_cpu)
        from vitbench.steps import parity

        parity.run(config, results, model, backend)
    except Exception as error:
        if is_machine_failure(error):
            raise
        from vitbench.parity.gate import write_failed_parity

        log.exception("parity of %s on %s could not be computed", model, backend)
        write_failed_parity(results, model, backend, error)
        notify(f"parity {model} · {backend}: FAILED; {type(error).__name__}: {error}")


def run_job(config: Config, results: Results, job: Job) -> None:
    """Runs the step train or throughput for `job`, and records a row whether it completes or not."""
    try:
        status = _run_step(config, results, job)
    except Exception as error:
        if is_machine_failure(error):
            raise
        from vitbench.parity.gate import GatedError

        log.exception("%s did not complete", job)
        if isinstance(error, GatedError):
            status, message = "gated", str(error)
        else:
            status, message = "failed", f"{type(error).__name__}: {error}"
        write_unfinished(config, results, job, status, message)
    if status != "completed":
        notify(f"{job.step} {job}: {status}")


def _run_step(config: Config, results: Results, job: Job) -> str:
    if job.seed is None:
        from vitbench.steps import throughput  # starts its backends in processes of their own

        return throughput.run(config, results, job)
    startup = start_backend(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench.steps import train

    return train.run(config, results, job, startup)


def _run_isolated(step: str, function: Callable[..., None], *arguments) -> None:
    """Calls one of the functions above in a process of its own. Raises UserError if it fails."""
    outcome = run_in_subprocess(_complete, (function, arguments), float("inf"))
    if "error" in outcome:
        raise UserError(f"the step {step} failed: {outcome['error']}")


def _complete(function: Callable[..., None], arguments: tuple) -> dict:
    function(*arguments)
    return {"status": "completed"}
