"""One command per step of the pipeline, for the rules and for use by hand."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vitbench import runner
from vitbench.config import loading
from vitbench.config.executions import Backend, Execution, Precision, TimedExecution
from vitbench.config.loading import ConfigError
from vitbench.config.schema import Config
from vitbench.results.jobs import CONTROL, Job
from vitbench.results.paths import Results
from vitbench.system.core_claim import claim_cores
from vitbench.system.gpu_claim import claim_gpu
from vitbench.system.logs import log_to

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _check_round(text: str) -> str:
    if not re.fullmatch(rf"[1-9]\d*({CONTROL})?", text):
        raise typer.BadParameter(f"{text!r} is neither a number from 1 nor one followed by {CONTROL}")
    return text


ConfigFiles = Annotated[
    list[Path],
    typer.Option(
        "--config",
        envvar="VITBENCH_CONFIG",
        help="A config file, YAML or JSON. May be repeated; later files override earlier ones.",
    ),
]
LogFile = Annotated[Path | None, typer.Option("--log", help="Write all output except the progress to this file.")]
Model = Annotated[str, typer.Option(help="A model of the config.")]
BackendName = Annotated[Backend, typer.Option(help="The Keras backend.")]
TimedExecutionName = Annotated[TimedExecution, typer.Option(help="published, tuned or native.")]
ExecutionName = Annotated[Execution, typer.Option(help="published or tuned.")]
PrecisionName = Annotated[Precision, typer.Option(help="float32, tf32 or mixed_bfloat16. float32 has TF32 off.")]
Seed = Annotated[
    int, typer.Option(help="Seed of the initial weights, the order of the images, augmentation and dropout.")
]
Round = Annotated[
    str,
    typer.Option(
        help="Number of the round, from 1; 2-control is the second measurement in round 2.", callback=_check_round
    ),
]


@app.command()
def config(files: Annotated[list[Path], typer.Argument(help="Config files; later ones override earlier ones.")]):
    """Check config files and print the whole config with every default."""
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
    """Write the images as arrays, with a manifest that describes them."""
    with log_to(log, step="data"):
        runner.run_data(*_open(config))


@app.command()
def init(config: ConfigFiles, model: Model, seed: Seed, log: LogFile = None):
    """Draw the initial weights from which every backend starts."""
    with log_to(log, step="init", model=model, seed=seed):
        experiment, results = _open(config, model)
        runner.run_init(experiment, results, model, seed)


@app.command()
def sample(config: ConfigFiles, model: Model, backend: BackendName, log: LogFile = None):
    """Time a few steps of one model on one backend, for the estimate."""
    with log_to(log, step="sample", model=model, backend=backend):
        experiment, results = _open_on_device(config, model)
        runner.run_sample(experiment, results, model, backend)


@app.command()
def estimate(config: ConfigFiles):
    """Estimate what the experiment will cost on this machine, after timing a few steps where needed."""
    with log_to(None):
        runner.run_estimate(*_open(config))


@app.command()
def tune(
    config: ConfigFiles, model: Model, backend: BackendName, precision: PrecisionName = "float32", log: LogFile = None
):
    """Time several execution plans for training and choose the one with the lowest predicted time."""
    with log_to(log, step="tune", model=model, backend=backend, precision=precision):
        experiment, results = _open_on_device(config, model)
        from vitbench.steps import tune

        tune.run(experiment, results, model, backend, precision)


@app.command()
def parity(config: ConfigFiles, model: Model, backend: BackendName, log: LogFile = None):
    """Compare what this backend computes with the reference, before it is trained or timed."""
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
    """Train one run and evaluate its best epoch on the test images."""
    job = Job(model, backend, execution, precision, seed)
    with log_to(log, step="train", **asdict(job)):
        runner.run_job(*_open_on_device(config, model), job)


@app.command()
def throughput(
    config: ConfigFiles,
    model: Model,
    backend: BackendName,
    execution: TimedExecutionName = "tuned",
    precision: PrecisionName = "float32",
    round: Round = "1",
    log: LogFile = None,
):
    """Measure one round of the steady-state speed of training and inference."""
    job = Job(model, backend, execution, precision, round=round)
    with log_to(log, step="throughput", **asdict(job)):
        runner.run_job(*_open_on_device(config, model), job)


@app.command()
def tables(config: ConfigFiles, log: LogFile = None):
    """Collect all results in tables, as CSV and Parquet."""
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
    a: Annotated[Path, typer.Argument(help="results/<experiment> with a finished report.")],
    b: Annotated[Path, typer.Argument(help="A second one, to compare it with.")],
    output: Annotated[Path, typer.Option(help="The report; the executed notebook is written beside it.")] = Path(
        "comparison.html"
    ),
):
    """Render a report on the differences between two experiments."""
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
    """The config and the paths of its results. Exits with status 2 if the config is invalid or lacks `model`."""
    experiment = _load(files)
    models = experiment.models.parameters()
    if model is not None and model not in models:
        typer.echo(f"Error: the config has no model {model!r}. It has {', '.join(models)}.", err=True)
        raise typer.Exit(2)
    return experiment, Results.for_experiment(experiment.experiment)


def _open_on_device(files: list[Path], model: str | None = None) -> tuple[Config, Results]:
    """As `_open`, and claims a GPU, if this process needs one, and the cores that it was granted."""
    experiment, results = _open(files, model)
    claim_gpu(experiment.accelerator)
    claim_cores()
    return experiment, results
