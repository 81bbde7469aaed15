"""The failure policy: a job that fails becomes a row, a missing GPU or too little memory ends the process.

A scheduler can repeat a process on another machine. A job that fails because of its config or code would fail again,
so it is recorded and the command succeeds.
"""

from vitbench.backends.process import choose_backend, is_machine_failure, start_backend
from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.writers import write_unfinished
from vitbench.system.files import read_json
from vitbench.system.logs import UserError, log, notify
from vitbench.system.subprocesses import run_in_subprocess


def run_data(config: Config, results: Results) -> dict:
    """Runs the step data in the environment of one backend."""
    choose_backend(config.data_backend())
    from vitbench.steps import data

    data.run(config, results)
    return {"status": "completed"}


def run_init(config: Config, results: Results, model: str, seed: int) -> None:
    """Runs the step init on the reference backend of `model`, on the CPU."""
    start_backend(config.reference_backend(model), "float32", "cpu")
    from vitbench.steps import init

    init.run(config, results, model, seed)


def run_sample(config: Config, results: Results, model: str, backend: str) -> dict:
    """Runs the step sample, on a CPU where there is no GPU."""
    import_seconds = start_backend(backend, config.precisions[0], config.accelerator, allow_cpu=True)
    from vitbench.steps import sample

    sample.run(config, results, model, backend, import_seconds)
    return {"status": "completed"}


def run_missing_samples(config: Config, results: Results, missing: list[tuple[str, str]]) -> None:
    """Makes the images, if they do not match the config, and the samples of the given models and backends."""
    if not results.manifest.exists() or read_json(results.manifest)["settings"] != config.relevant_settings("data"):
        notify(f"estimate: the images of {config.dataset.name}")
        run_isolated(run_data, config, results)
    for model, backend in missing:
        notify(f"estimate: a few steps of {model} on {backend}")
        run_isolated(run_sample, config, results, model, backend)


def run_parity(config: Config, results: Results, model: str, backend: str) -> None:
    """Runs the step parity. A backend on which the comparison cannot be computed fails it."""
    try:
        start_backend(backend, "float32", config.accelerator, config.allow_cpu)
        from vitbench.steps import parity

        parity.run(config, results, model, backend)
    except Exception as error:
        if is_machine_failure(error):
            raise
        log.exception("parity of %s on %s could not be computed", model, backend)
        from vitbench.parity.gate import write_failed_parity

        write_failed_parity(results, model, backend, error)
        notify(f"parity {model} · {backend}: FAILED; {type(error).__name__}: {error}")


def run_job(config: Config, results: Results, job: Job) -> None:
    """Runs the step train or throughput for `job`. It leaves a row whether it completes or not."""
    try:
        status = _run_step(config, results, job)
    except Exception as error:
        if is_machine_failure(error):
            raise
        from vitbench.parity.gate import GatedError

        log.exception("%s did not complete", job)
        is_gated = isinstance(error, GatedError)
        status = "gated" if is_gated else "failed"
        message = str(error) if is_gated else f"{type(error).__name__}: {error}"
        write_unfinished(config, results, job, status, message)
    if status != "completed":
        notify(f"{job.step} {job}: {status}")


def _run_step(config: Config, results: Results, job: Job) -> str:
    if job.seed is None:
        from vitbench.steps import throughput  # no backend here: it measures in processes of its own

        return throughput.run(config, results, job)
    import_seconds = start_backend(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench.steps import train

    return train.run(config, results, job, import_seconds)


def run_isolated(function, *arguments) -> None:
    """Calls one of the functions above in a process of its own. Raises UserError if it fails."""
    outcome = run_in_subprocess(function, arguments, float("inf"))
    if "error" in outcome:
        raise UserError(f"{function.__name__.removeprefix('run_')} {arguments[2:] or ''}: {outcome['error']}")
