"""One command per step of the flow, each as its rule calls it and as a person can by hand."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vitbench import execution, gpus
from vitbench.config import Backend, Config, Execution, Precision, TimedExecution
from vitbench.config import errors as config_errors
from vitbench.progress import UserError, log, logged, say
from vitbench.results import Results, read_json

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

ConfigFiles = Annotated[
    list[Path],
    typer.Option(
        "--config",
        envvar="VITBENCH_CONFIG",
        help="A config file, YAML or JSON; may be given again, the last one wins.",
    ),
]
LogFile = Annotated[Path | None, typer.Option("--log", help="Send all but the progress to this file.")]
Model = Annotated[str, typer.Option(help="A model of the config.")]
BackendName = Annotated[Backend, typer.Option(help="The Keras backend.")]
TimedExecutionName = Annotated[TimedExecution, typer.Option(help="As published, tuned by measurement, or native.")]
ExecutionName = Annotated[Execution, typer.Option(help="As published, or tuned by measurement.")]
PrecisionName = Annotated[Precision, typer.Option(help="Arithmetic; float32 has TF32 off.")]
Seed = Annotated[int, typer.Option(help="Decides initial weights, order of the images, augmentation and dropout.")]


@app.command()
def config(files: Annotated[list[Path], typer.Argument(help="Config files, the last one wins.")]):
    """Check config files and print the whole config with every default in it."""
    typer.echo(_load(files).model_dump_json(indent=2))


@app.command()
def schema(
    readme: Annotated[Path | None, typer.Option(help="Put the config reference into this file instead.")] = None,
):
    """Print the JSON Schema of the config."""
    from vitbench.config import reference

    if readme is None:
        typer.echo(reference.json_schema(), nl=False)
    else:
        readme.write_text(reference.insert(readme.read_text()))


@app.command()
def data(config: ConfigFiles, log: LogFile = None):
    """Make the images as arrays, and a manifest that says what they are."""
    with logged(log, step="data"):
        _data(*_open(config))


@app.command()
def init(config: ConfigFiles, model: Model, seed: Seed, log: LogFile = None):
    """Draw the initial weights that every backend starts from."""
    with logged(log, step="init", model=model, seed=seed):
        experiment, results = _open(config, model)
        execution.start(experiment.reference_of(model), "float32", "cpu")
        from vitbench.steps import init

        init.run(experiment, results, model, seed)


@app.command()
def sample(config: ConfigFiles, model: Model, backend: BackendName, log: LogFile = None):
    """Time a few steps of one contestant, for the estimate."""
    with logged(log, step="sample", model=model, backend=backend):
        experiment, results = _open_on_device(config, model)
        _sample(experiment, results, model, backend)


@app.command()
def estimate(config: ConfigFiles):
    """Say what the experiment will cost on this machine; samples the contestants if that was not done yet."""
    with logged(None):
        experiment, results = _open(config)
        from vitbench.steps import estimate

        if not results.manifest.exists() or read_json(results.manifest)["settings"] != experiment.relevant("data"):
            say(f"estimate: the images of {experiment.dataset.name}")
            _in_a_process(_data, experiment, results)
        missing = estimate.unsampled(experiment, results)
        if missing:  # as rule the samples are there, and this environment has no backend and no NVML
            gpus.take_one(experiment.accelerator)
        for model, backend in missing:
            say(f"estimate: a few steps of {model} on {backend}")
            _in_a_process(_sample, experiment, results, model, backend)
        estimate.run(experiment, results)


@app.command()
def tune(
    config: ConfigFiles, model: Model, backend: BackendName, precision: PrecisionName = "float32", log: LogFile = None
):
    """Time a few ways to execute the training and keep the one with the least predicted time."""
    with logged(log, step="tune", model=model, backend=backend, precision=precision):
        experiment, results = _open_on_device(config, model)
        from vitbench.steps import tune

        tune.run(experiment, results, model, backend, precision)


@app.command()
def parity(config: ConfigFiles, model: Model, backend: BackendName, log: LogFile = None):
    """Compare this backend's model with the reference before it may be trained or timed."""
    with logged(log, step="parity", model=model, backend=backend):
        experiment, results = _open_on_device(config, model)
        _parity(experiment, results, model, backend)


@app.command()
def train(
    config: ConfigFiles,
    model: Model,
    backend: BackendName,
    seed: Seed,
    execution: ExecutionName = "tuned",
    precision: PrecisionName = "float32",
    log: LogFile = None,
):
    """Train one run, and test its best epoch."""
    from vitbench.records import Job

    job = Job(model, backend, execution, precision, seed)
    with logged(log, step="train", **asdict(job)):
        _timed(_train, config, job)


@app.command()
def throughput(
    config: ConfigFiles,
    model: Model,
    backend: BackendName,
    execution: TimedExecutionName = "tuned",
    precision: PrecisionName = "float32",
    log: LogFile = None,
):
    """Time training and inference steps in steady state."""
    from vitbench.records import Job

    job = Job(model, backend, execution, precision)
    with logged(log, step="throughput", **asdict(job)):
        _timed(_throughput, config, job)


@app.command()
def tables(config: ConfigFiles, log: LogFile = None):
    """Collect everything that was measured into pandas tables."""
    with logged(log, step="tables"):
        experiment, results = _open(config)
        from vitbench.steps import tables

        tables.run(experiment, results)


@app.command()
def report(config: ConfigFiles, log: LogFile = None):
    """Render the report."""
    with logged(log, step="report"):
        _, results = _open(config)
        from vitbench.steps import report

        report.run(results)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="results/<experiment>, whose report is done.")],
    b: Annotated[Path, typer.Argument(help="Another, which is compared with it.")],
    output: Annotated[Path, typer.Option(help="The report; the executed notebook goes beside it.")] = Path(
        "comparison.html"
    ),
):
    """Render a report on how two experiments differ, and which differences are real."""
    with logged(None):
        from vitbench.steps import compare

        compare.run(a, b, output)


def _parity(experiment: Config, results: Results, model: str, backend: str) -> None:
    """A backend that cannot compute what is compared is one that did not pass."""
    try:
        execution.start(backend, "float32", experiment.accelerator, experiment.allow_cpu)
        from vitbench.steps import parity

        parity.run(experiment, results, model, backend)
    except Exception as error:
        if execution.may_go_well_elsewhere(error):
            raise
        log.exception("parity of %s on %s could not be computed", model, backend)
        from vitbench.records import write_unproven

        write_unproven(results, model, backend, error)
        say(f"parity {model} · {backend}: FAILED; {type(error).__name__}: {error}")


def _data(experiment: Config, results: Results) -> dict:
    execution.choose_backend(experiment.data_backend())
    from vitbench.steps import data

    data.run(experiment, results)
    return {"status": "made"}


def _sample(experiment: Config, results: Results, model: str, backend: str) -> dict:
    seconds = execution.start(backend, experiment.precisions[0], experiment.accelerator, allow_cpu=True)
    from vitbench.steps import sample

    sample.run(experiment, results, model, backend, seconds)
    return {"status": "sampled"}


def _in_a_process(function, *arguments) -> None:
    """Raises UserError if `function` fails."""
    from vitbench.processes import in_a_process

    outcome = in_a_process(function, arguments, float("inf"))
    if "error" in outcome:
        raise UserError(f"{function.__name__.strip('_')} of {arguments[2:] or 'the images'}: {outcome['error']}")


def _timed(run: Callable[..., str], files: list[Path], job) -> None:
    """Runs step train or throughput for `job`; whatever happens to it, a row tells.

    But if another machine could do better the command fails, so that a scheduler can repeat it there.
    """
    from vitbench.records import write_unfinished

    experiment, results = _open_on_device(files, job.model)
    try:
        status = run(experiment, results, job)
    except Exception as error:
        if execution.may_go_well_elsewhere(error):
            raise
        log.exception("%s did not complete", job)
        status = write_unfinished(experiment, results, job, error)
    if status != "completed":
        say(f"{run.__name__.strip('_')} {job}: {status}")


def _train(experiment: Config, results: Results, job) -> str:
    import_seconds = execution.start(job.backend, job.precision, experiment.accelerator, experiment.allow_cpu)
    from vitbench.steps import train

    return train.run(experiment, results, job, import_seconds)


def _throughput(experiment: Config, results: Results, job) -> str:
    from vitbench.steps import throughput  # no backend here: it measures in processes of its own

    return throughput.run(experiment, results, job)


def _load(files: list[Path]) -> Config:
    try:
        return config_errors.load(files)
    except config_errors.ConfigError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None


def _open(files: list[Path], model: str | None = None) -> tuple[Config, Results]:
    """The config and where its results lie. Ends the program with a message if `model` is not one of the config's."""
    found = _load(files)
    models = found.models.parameters()
    if model is not None and model not in models:
        typer.echo(f"Error: --model {model!r} is not in the config, which has {', '.join(models)}", err=True)
        raise typer.Exit(2)
    return found, Results.of(found.experiment)


def _open_on_device(files: list[Path], model: str | None = None) -> tuple[Config, Results]:
    """As `_open`, when this process has a GPU of its own, if it needs one."""
    experiment, results = _open(files, model)
    gpus.take_one(experiment.accelerator)
    return experiment, results
