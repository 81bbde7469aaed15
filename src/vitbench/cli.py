"""One command per step of the flow, each as its rule calls it and as a person can by hand."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vitbench import runner
from vitbench.config import loading
from vitbench.config.loading import ConfigError
from vitbench.config.schema import Backend, Config, Execution, Precision, TimedExecution
from vitbench.results.paths import Results
from vitbench.system.files import read_json
from vitbench.system.gpus import claim_gpu
from vitbench.system.logs import log_to, notify

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
    docs: Annotated[Path | None, typer.Option(help="Write config.md and columns.md into this folder instead.")] = None,
):
    """Print the JSON Schema of the config."""
    from vitbench.config.docs import config_page, json_schema
    from vitbench.results.docs import columns_page

    if docs is None:
        typer.echo(json_schema(), nl=False)
        return
    (docs / "config.md").write_text(config_page())
    (docs / "columns.md").write_text(columns_page())


@app.command()
def data(config: ConfigFiles, log: LogFile = None):
    """Make the images as arrays, and a manifest that says what they are."""
    with log_to(log, step="data"):
        runner.run_data(*_open(config))


@app.command()
def init(config: ConfigFiles, model: Model, seed: Seed, log: LogFile = None):
    """Draw the initial weights that every backend starts from."""
    with log_to(log, step="init", model=model, seed=seed):
        experiment, results = _open(config, model)
        runner.run_init(experiment, results, model, seed)


@app.command()
def sample(config: ConfigFiles, model: Model, backend: BackendName, log: LogFile = None):
    """Time a few steps of one contestant, for the estimate."""
    with log_to(log, step="sample", model=model, backend=backend):
        experiment, results = _open_on_device(config, model)
        runner.run_sample(experiment, results, model, backend)


@app.command()
def estimate(config: ConfigFiles):
    """Say what the experiment will cost on this machine; samples the contestants if that was not done yet."""
    with log_to(None):
        experiment, results = _open(config)
        from vitbench.steps import estimate

        if not results.manifest.exists() or read_json(results.manifest)["settings"] != experiment.relevant_settings(
            "data"
        ):
            notify(f"estimate: the images of {experiment.dataset.name}")
            runner.run_isolated(runner.run_data, experiment, results)
        missing = estimate.list_missing_samples(experiment, results)
        if missing:  # as rule the samples are there, and this environment has no backend and no NVML
            claim_gpu(experiment.accelerator)
        for model, backend in missing:
            notify(f"estimate: a few steps of {model} on {backend}")
            runner.run_isolated(runner.run_sample, experiment, results, model, backend)
        estimate.run(experiment, results)


@app.command()
def tune(
    config: ConfigFiles, model: Model, backend: BackendName, precision: PrecisionName = "float32", log: LogFile = None
):
    """Time a few ways to execute the training and keep the one with the least predicted time."""
    with log_to(log, step="tune", model=model, backend=backend, precision=precision):
        experiment, results = _open_on_device(config, model)
        from vitbench.steps import tune

        tune.run(experiment, results, model, backend, precision)


@app.command()
def parity(config: ConfigFiles, model: Model, backend: BackendName, log: LogFile = None):
    """Compare this backend's model with the reference before it may be trained or timed."""
    with log_to(log, step="parity", model=model, backend=backend):
        experiment, results = _open_on_device(config, model)
        runner.run_parity(experiment, results, model, backend)


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
    from vitbench.results.jobs import Job

    job = Job(model, backend, execution, precision, seed)
    with log_to(log, step="train", **asdict(job)):
        runner.run_job(*_open_on_device(config, job.model), job)


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
    from vitbench.results.jobs import Job

    job = Job(model, backend, execution, precision)
    with log_to(log, step="throughput", **asdict(job)):
        runner.run_job(*_open_on_device(config, job.model), job)


@app.command()
def tables(config: ConfigFiles, log: LogFile = None):
    """Collect everything that was measured into pandas tables."""
    with log_to(log, step="tables"):
        experiment, results = _open(config)
        from vitbench.steps import tables

        tables.run(experiment, results)


@app.command()
def report(config: ConfigFiles, log: LogFile = None):
    """Render the report."""
    with log_to(log, step="report"):
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
    with log_to(None):
        from vitbench.steps import compare

        compare.run(a, b, output)


def _load(files: list[Path]) -> Config:
    try:
        return loading.load_config(files)
    except ConfigError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None


def _open(files: list[Path], model: str | None = None) -> tuple[Config, Results]:
    """The config and where its results lie. Ends the program with a message if `model` is not one of the config's."""
    found = _load(files)
    models = found.models.parameters()
    if model is not None and model not in models:
        typer.echo(f"Error: --model {model!r} is not in the config, which has {', '.join(models)}", err=True)
        raise typer.Exit(2)
    return found, Results.for_experiment(found.experiment)


def _open_on_device(files: list[Path], model: str | None = None) -> tuple[Config, Results]:
    """As `_open`, when this process has a GPU of its own, if it needs one."""
    experiment, results = _open(files, model)
    claim_gpu(experiment.accelerator)
    return experiment, results
