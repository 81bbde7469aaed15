"""`snakemake --use-conda` with a real conda. The tests share a machine, and each continues where the last one ended."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from helpers.conda_machine import Machine, kill_group
from helpers.projects import TINY_CONFIG
from helpers.waiting import wait_until
from vitbench.system.gpus import has_gpu

EXPERIMENT = ("--configfile", "config.yaml", TINY_CONFIG, "small.yaml")
SMALL_CONFIG = (
    "seeds: [0]\nexecutions: {train: [tuned], throughput: [tuned]}\nthroughput: {rounds: 1, control: false}\n"
)
CPU_ENVIRONMENTS = ("jax-cpu", "report", "tensorflow-cpu", "torch-cpu")
GPU_ENVIRONMENTS = ("jax", "tensorflow", "torch")
BACKENDS = ("jax", "tensorflow", "torch")

# Installed into each environment: every process of vitbench appends its command and its Python's folder to a file.
RECORDER = """
import json, os, sys
if "vitbench" in sys.orig_argv:
    with open({file!r}, "a") as file:
        file.write(json.dumps([sys.orig_argv[3:], sys.prefix]) + "\\n")
"""


def change_environment(machine: Machine, name: str, old: str, new: str) -> None:
    file = machine.project / "envs" / f"{name}.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_is_reported_before_an_environment_is_created(machine):
    output = machine.run_snakemake(succeeds=False)
    assert "This machine has no GPU" in output
    assert "Creating conda environment" not in output and machine.environments() == {}


@pytest.mark.parametrize("name", GPU_ENVIRONMENTS)
def test_conda_resolves_a_gpu_environment(machine, name):
    file = str(machine.project / "envs" / f"{name}.yaml")
    output = machine.conda.run("env", "create", "--dry-run", "--json", "--file", file, "--name", name)
    resolved = json.loads(output)["dependencies"]
    assert {line.split("::")[-1].split("=")[0] for line in resolved} == {"python", "pip", "setuptools", "wheel"}


def test_a_dry_run_lists_the_environments_that_the_published_experiment_needs(machine):
    output = machine.run_snakemake("--dry-run")
    for name in (*GPU_ENVIRONMENTS, "report"):
        assert f"envs/{name}.yaml will be created" in output
    assert machine.environments() == {}


def test_an_interrupted_creation_is_repeated_and_settings_of_pip_do_not_disturb_it(machine, tmp_path):
    (machine.project / "small.yaml").write_text(SMALL_CONFIG)
    process = machine.start_snakemake(*EXPERIMENT, "--conda-create-envs-only")
    folders = machine.project / ".snakemake" / "conda"
    try:
        wait_until(
            lambda: list(folders.glob("*/lib/python3.*/site-packages/*.dist-info")), 120, "pip in an environment"
        )
    finally:
        kill_group(process)
    assert machine.environments() == {}
    (tmp_path / "numpy").mkdir()  # pip would take it for the installed package if it saw it
    (tmp_path / "numpy" / "__init__.py").write_text("raise ImportError('the numpy of PYTHONPATH')")
    settings = {
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_USER": "1",
        "PIP_TARGET": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
    }

    def create() -> None:
        output = machine.run_snakemake(*EXPERIMENT, "--conda-create-envs-only", **settings)
        assert output.count("Removing incomplete Conda environment") == 1
        assert output.count("Creating conda environment") == len(CPU_ENVIRONMENTS)

    machine.measure("environments", create)
    assert tuple(sorted(machine.environments())) == CPU_ENVIRONMENTS
    assert [path.name for path in tmp_path.iterdir()] == ["numpy"]


def test_each_job_runs_in_its_own_environment(machine):
    record = machine.folder / "commands.jsonl"
    environments = {name: folder for name, (folder,) in machine.environments().items()}
    for folder in environments.values():
        (site,) = folder.glob("lib/python3.*/site-packages")
        (site / "sitecustomize.py").write_text(RECORDER.format(file=str(record)))
    machine.measure("experiment", lambda: machine.run_snakemake(*EXPERIMENT))
    assert (machine.project / "results" / "tiny" / "report.html").exists()
    steps: set[tuple[str, str]] = set()
    for line in record.read_text().splitlines():
        arguments, prefix = json.loads(line)
        step = arguments[0]
        name = "report" if step in ("tables", "report") else "jax-cpu"
        if "--backend" in arguments:
            name = f"{arguments[arguments.index('--backend') + 1]}-cpu"
        assert Path(prefix) == environments[name], (arguments, prefix)
        steps.add((step, name))
    on_backends = {(step, f"{b}-cpu") for step in ("tune", "parity", "train", "throughput") for b in BACKENDS}
    others = {("data", "jax-cpu"), ("init", "jax-cpu"), ("tables", "report"), ("report", "report")}
    assert steps == on_backends | others


def test_a_second_call_does_nothing(machine):
    output = machine.run_snakemake(*EXPERIMENT)
    assert "Nothing to be done" in output and "Creating conda environment" not in output


def test_snakemake_writes_its_own_report_with_the_extra_that_it_needs(machine):
    machine.pip_install("snakemake[reports]")
    machine.run_snakemake(*EXPERIMENT, "--report", "snakemake-report.zip")
    assert (machine.project / "snakemake-report.zip").stat().st_size > 100_000


def test_a_changed_file_creates_only_its_environment_again(machine):
    change_environment(machine, "report", "channels:", "# edited\nchannels:")
    output = machine.run_snakemake(*EXPERIMENT, "--conda-create-envs-only")
    assert output.count("Creating conda environment") == 1
    assert "Creating conda environment envs/report.yaml" in output


def test_an_environment_that_cannot_be_created_stops_only_its_jobs_and_the_report_says_why(machine):
    change_environment(machine, "torch-cpu", "  - pip:\n", "  - pip:\n      - vitbench-needs-this==7\n")
    settings = ("experiment=partial", "backends=[jax,torch]")
    results = machine.project / "results" / "partial"
    for step in ("data", "init"):  # the same in both experiments
        shutil.copytree(machine.project / "results" / "tiny" / step, results / step)
    output = machine.run_snakemake(*EXPERIMENT, "--config", *settings, succeeds=False)
    assert "The environment torch-cpu could not be created" in output
    assert "results/partial/report.html says what failed" in output
    runs = pd.read_csv(results / "tables" / "runs.csv").set_index("backend")
    assert runs["status"].to_dict() == {"jax": "completed", "torch": "failed"}
    assert "conda could not create the environment" in runs["error"]["torch"]
    (failure,) = pd.read_csv(results / "tables" / "failures.csv").to_dict("records")
    assert (failure["step"], failure["names"]) == ("environment", "torch-cpu")
    assert "vitbench-needs-this" in (results / "report.html").read_text()


def test_an_environment_that_everything_needs_stops_the_workflow(machine):
    change_environment(machine, "report", "  - pip:\n", "  - pip:\n      - vitbench-needs-this==7\n")
    output = machine.run_snakemake(*EXPERIMENT, "--config", "experiment=stopped", "backends=[jax]", succeeds=False)
    assert "Could not create conda environment" in output and "vitbench-needs-this" in output
    assert not (machine.project / "results" / "stopped").exists()
