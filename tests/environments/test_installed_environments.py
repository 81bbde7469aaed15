"""Each environment's pins, installed for real, run the commands of its rules; those for GPUs are resolved."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.small_experiment import CONFIG, prepare_experiment
from vitbench.config.schema import Config

REPOSITORY = Path(__file__).parents[2]
CPU = ["jax-cpu", "torch-cpu", "tensorflow-cpu", "report"]
GPU = ["jax", "torch", "tensorflow"]


def pins(name: str) -> list[str]:
    """The lines of the pip section that apply to this platform."""
    lines = yaml.safe_load((REPOSITORY / "envs" / f"{name}.yaml").read_text())["dependencies"][-1]["pip"]
    return [line for line in lines if not (marker := Requirement(line).marker) or marker.evaluate()]


def versions(lines: list[str]) -> dict[str, str]:
    """The version of each package, without build tags."""
    requirements = [Requirement(line.split("@")[0].split(";")[0]) for line in lines if "==" in line]
    return {
        canonicalize_name(pin.name): re.sub(r"\+.*", "", str(pin.specifier)).removeprefix("==") for pin in requirements
    }


class Environment:
    """A fresh virtual environment with what envs/<name>.yaml lists, and nothing else."""

    def __init__(self, name: str, folder: Path):
        self.python = str(folder / "bin" / "python")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        (folder / "pins.txt").write_text("\n".join(pins(name)))
        self.pip("install", "--quiet", "--progress-bar", "off", "-r", str(folder / "pins.txt"))

    def pip(self, *arguments: str) -> str:
        command = [self.python, "-m", "pip", *arguments]
        completed = subprocess.run(command, capture_output=True, text=True, timeout=1200)
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout

    def run_command(self, project: Path, *command: str) -> None:
        """Runs `command` of vitbench as its rule does."""
        prefix = "set -euo pipefail; export PYTHONNOUSERSITE=1"
        prefix += f" PYTHONPATH={REPOSITORY / 'src'} VITBENCH_CONFIG=config.json; "
        variables = os.environ | {"PATH": f"{Path(self.python).parent}{os.pathsep}{os.environ['PATH']}"}
        line = prefix + " ".join(["python -m vitbench", *command])
        completed = subprocess.run(
            ["bash", "-c", line], cwd=project, env=variables, capture_output=True, text=True, timeout=600
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare_experiment(folder)
    return folder


def write_samples(project: Path) -> None:
    """Writes what `estimate` needs: samples of a machine with a GPU."""
    config = Config.model_validate(CONFIG | {"accelerator": "auto", "allow_cpu": True})
    (project / "config.json").write_text(config.model_dump_json())
    sample = {
        "settings": config.relevant_settings("sample", "vit"),
        "model": "vit",
        "device": {"type": "gpu", "name": "A"},
        "batch_size": 32,
        "train_images": 288,
        "validation_images": 32,
        "test_images": 360,
        "step_seconds": 0.1,
        "inference_images_per_second": 100.0,
        "startup_seconds": 9.0,
        "first_step_seconds": 3.0,
        "peak_device_memory_bytes": 10**9,
    }
    for backend in config.backends:
        path = project / f"results/small/sample/vit/{backend}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sample | {"backend": backend}))


@pytest.fixture(params=CPU)
def environment(request, tmp_path) -> tuple[str, Environment]:
    return request.param, Environment(request.param, tmp_path / "environment")


def test_the_pins_are_all_that_is_installed_and_the_commands_of_their_rules_succeed(environment, prepared, tmp_path):
    name, installed = environment
    installed.pip("check")
    expected = versions(pins(name))
    from_venv = {"pip", "setuptools"} - expected.keys()
    frozen = versions(installed.pip("freeze", "--all").splitlines())
    assert {k: v for k, v in frozen.items() if k not in from_venv} == expected, "a pin is missing or superfluous"
    project = tmp_path / "project"
    shutil.copytree(prepared, project)
    if name == "report":
        installed.run_command(project, "tables")
        installed.run_command(project, "report")
        write_samples(project)
        installed.run_command(project, "estimate")
        assert (project / "results/small/report.html").stat().st_size > 100_000
        return
    backend = name.removesuffix("-cpu")
    training = CONFIG["training"] | {"epochs": 2}
    bounds = {"tuning": {"budget_seconds": 5, "timed_steps": 2}, "parity": {"batch_size": 8, "steps": 3}}
    one_backend = {"backends": [backend], "throughput": CONFIG["throughput"] | {"native_compiled": False}}
    (project / "config.json").write_text(json.dumps(CONFIG | bounds | one_backend | {"training": training}))
    installed.run_command(project, "data")
    for command in ("init --seed 3", f"tune --backend {backend}", f"parity --backend {backend}"):
        installed.run_command(project, *command.split(), "--model", "vit")
    installed.run_command(project, "train", "--model", "vit", "--backend", backend, "--seed", "3")
    installed.run_command(project, "throughput", "--model", "vit", "--backend", backend)
    results = project / "results/small"
    for row in (
        results / f"runs/vit/{backend}/tuned/float32/seed3/metrics.json",
        results / f"throughput/vit/{backend}/tuned/float32/round1.json",
    ):
        assert json.loads(row.read_text())["status"] == "completed"


@pytest.mark.parametrize("name", GPU)
def test_the_pins_for_gpus_are_complete_and_do_not_conflict(name, tmp_path):
    """From their metadata; nothing is downloaded."""
    requirements = tmp_path / "pins.in"
    requirements.write_text("\n".join(pins(name)))
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--no-annotate",
        str(requirements),
    ]
    target = ["--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.11"]
    completed = subprocess.run([*command, *target], capture_output=True, text=True, timeout=600)
    assert completed.returncode == 0, completed.stderr
    assert versions(completed.stdout.splitlines()) == versions(pins(name)), "a pin is missing or superfluous"


def snakemake_versions() -> list[str]:
    """The version that the workflow requires at least, and the pinned one."""
    (minimum,) = re.findall(r'^min_version\("(.+)"\)', (REPOSITORY / "Snakefile").read_text(), re.MULTILINE)
    (pinned,) = re.findall(r"^snakemake==(.+)", (REPOSITORY / "envs" / "venv.txt").read_text(), re.MULTILINE)
    return [f"{minimum}.0", pinned]


@pytest.mark.parametrize("version", snakemake_versions())
def test_the_workflow_is_planned_with_snakemake_and_nothing_else(version, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"snakemake=={version}"], check=True, timeout=600)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-m", "snakemake", "--cores", "all", "--dry-run", "--directory", str(tmp_path)]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", str(REPOSITORY / "config.yaml")]
    planned = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "train" in planned.stdout
