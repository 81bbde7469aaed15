"""Copies of the project in which the real Snakemake runs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.backend_processes import BACKENDS, REPOSITORY, VARIABLES

PARTS = ["Snakefile", "config.yaml", "workflow", "profiles", "envs", "src", "reports", "examples"]
TINY_CONFIG = str(Path(__file__).with_name("tiny.yaml"))
TINY = ("--configfile", "config.yaml", TINY_CONFIG)
ONE_ROUND = "throughput={rounds: 1, control: false}"
PREPARATION = ("data", "init", "tune", "parity")  # the steps before a model is trained or timed
REMOVED_VARIABLES = ("KERAS_BACKEND", "JAX_PLATFORMS", "PYTHONPATH")


def copy_project(folder: Path) -> Path:
    """Copies what Snakemake needs to `folder` and returns it."""
    for part in PARTS:
        source = REPOSITORY / part
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, folder / part, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
    return folder


def prepare_project(folder: Path) -> None:
    """Copies the project and runs the tiny experiment up to parity."""
    copy_project(folder)
    verdicts = [f"results/tiny/parity/vit/{backend}.json" for backend in BACKENDS]
    initial_weights = [f"results/tiny/init/vit-seed{seed}.weights.h5" for seed in (0, 1)]
    run_snakemake(folder, *TINY, "--", *verdicts, *initial_weights)


def reuse_preparation(project: Path, experiment: str, steps: tuple[str, ...] = PREPARATION) -> Path:
    """Gives another experiment the results of some steps of the tiny one, and returns its results directory.

    Snakemake takes files that it did not make itself as they are, so it does not repeat these steps.
    """
    results = project / "results" / experiment
    for step in steps:
        shutil.copytree(project / "results" / "tiny" / step, results / step)
    return results


def run_snakemake(
    project: Path,
    *arguments: str,
    succeeds: bool = True,
    data_kilobytes: int | None = None,
    **variables: str,
) -> str:
    """Runs Snakemake in `project` and returns its output. Raises AssertionError unless it `succeeds`, or fails.

    data_kilobytes: the most data memory that a process may have. variables: environment variables.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    if data_kilobytes:
        command = ["bash", "-c", f"ulimit -d {data_kilobytes}; exec {shlex.join(command)}"]
    environment = {name: value for name, value in os.environ.items() if name not in REMOVED_VARIABLES}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment |= VARIABLES
    completed = subprocess.run(
        command, cwd=project, env=environment | variables, capture_output=True, text=True, timeout=900
    )
    output = completed.stdout + completed.stderr
    assert (completed.returncode == 0) is succeeds, output
    return output


def planned_rules(project: Path, *arguments: str) -> set[str]:
    """The rules that Snakemake would run now for the tiny experiment."""
    output = run_snakemake(project, *TINY, *arguments, "--dry-run")
    names = re.findall(r"^(?:local)?rule (\w+):|^Job \d+: (\w+):", output, re.MULTILINE)
    return {rule or message for rule, message in names}
