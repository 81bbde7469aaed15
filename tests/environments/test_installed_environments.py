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
    """The pip section, as conda hands it to pip, of those that this platform takes."""
    listed = yaml.safe_load((REPOSITORY / "envs" / f"{name}.yaml").read_text())["dependencies"][-1]["pip"]
    return [line for line in listed if not (marker := Requirement(line).marker) or marker.evaluate()]


def versions(lines: list[str]) -> dict[str, str]:
    """Package to version, build tags left out."""
    found = [Requirement(line.split("@")[0].split(";")[0]) for line in lines if "==" in line]
    return {canonicalize_name(pin.name): re.sub(r"\+.*", "", str(pin.specifier)).removeprefix("==") for pin in found}


class Environment:
    """A fresh virtual environment with what envs/<name>.yaml lists, and nothing else."""

    def __init__(self, name: str, folder: Path):
        self.python = str(folder / "bin" / "python")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        (folder / "pins.txt").write_text("\n".join(pins(name)))
        self.pip("install", "--quiet", "--progress-bar", "off", "-r", str(folder / "pins.txt"))

    def pip(self, *arguments: str) -> str:
        command = [self.python, "-m", "pip", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=1200)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def rule(self, project: Path, *command: str) -> None:
        """Runs `command` of vitbench as its rule does."""
        prefix = "set -euo pipefail; export PYTHONNOUSERSITE=1"
        prefix += f" PYTHONPATH={REPOSITORY / 'src'} VITBENCH_CONFIG=config.json; "
        variables = os.environ | {"PATH": f"{Path(self.python).parent}{os.pathsep}{os.environ['PATH']}"}
        line = prefix + " ".join(["python -m vitbench", *command])
        ran = subprocess.run(
            ["bash", "-c", line], cwd=project, env=variables, capture_output=True, text=True, timeout=600
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare_experiment(folder)
    return folder


def samples(project: Path) -> None:
    """What `estimate` needs, as if they had been taken where a GPU may be used."""
    config = Config.model_validate(CONFIG | {"accelerator": "auto", "allow_cpu": True})
    (project / "config.json").write_text(config.model_dump_json())
    made = {
        "settings": config.relevant_settings("sample", "vit"),
        "model": "vit",
        "device": {"type": "gpu", "name": "A"},
    }
    made |= {"batch_size": 32, "train_images": 288, "validation_images": 32, "test_images": 360}
    made |= {
        "step_seconds": 0.1,
        "inference_images_per_second": 100.0,
        "startup_seconds": 9.0,
        "first_step_seconds": 3.0,
    }
    for backend in config.backends:
        path = project / f"results/small/sample/vit/{backend}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made | {"backend": backend, "peak_device_memory_bytes": 10**9}))


@pytest.fixture(params=CPU)
def environment(request, tmp_path) -> tuple[str, Environment]:
    return request.param, Environment(request.param, tmp_path / "environment")


def test_the_pins_are_all_that_is_installed_and_run_the_commands_of_their_rules(environment, prepared, tmp_path):
    name, installed = environment
    installed.pip("check")
    expected = versions(pins(name))
    of_venv = {"pip", "setuptools"} - expected.keys()
    frozen = versions(installed.pip("freeze", "--all").splitlines())
    assert {k: v for k, v in frozen.items() if k not in of_venv} == expected, "something is left open, or missing"
    project = tmp_path / "project"
    shutil.copytree(prepared, project)
    if name == "report":
        installed.rule(project, "tables")
        installed.rule(project, "report")
        samples(project)
        installed.rule(project, "estimate")
        assert (project / "results/small/report.html").stat().st_size > 100_000
        return
    backend = name.removesuffix("-cpu")
    training = CONFIG["training"] | {"epochs": 2}
    bounds = {"tuning": {"budget_seconds": 5, "timed_steps": 2}, "parity": {"batch_size": 8, "steps": 3}}
    alone = {"backends": [backend], "throughput": CONFIG["throughput"] | {"native_compiled": False}}
    (project / "config.json").write_text(json.dumps(CONFIG | bounds | alone | {"training": training}))
    installed.rule(project, "data")
    for command in ("init --seed 3", f"tune --backend {backend}", f"parity --backend {backend}"):
        installed.rule(project, *command.split(), "--model", "vit")
    installed.rule(project, "train", "--model", "vit", "--backend", backend, "--seed", "3")
    installed.rule(project, "throughput", "--model", "vit", "--backend", backend)
    results = project / "results/small"
    for row in (
        results / f"runs/vit/{backend}/tuned/float32/seed3/metrics.json",
        results / f"throughput/vit/{backend}/tuned/float32.json",
    ):
        assert json.loads(row.read_text())["status"] == "completed"


@pytest.mark.parametrize("name", GPU)
def test_the_pins_for_gpus_are_a_whole_that_resolves_to_itself(name, tmp_path):
    """By their metadata; nothing is downloaded."""
    wanted = tmp_path / "pins.in"
    wanted.write_text("\n".join(pins(name)))
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", str(wanted)]
    target = ["--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.11"]
    ran = subprocess.run([*command, *target], capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    assert versions(ran.stdout.splitlines()) == versions(pins(name)), "something is left open, or superfluous"


def test_the_workflow_is_planned_with_snakemake_and_nothing_else(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    version = next(v for name, v in versions(venv_pins()).items() if name == "snakemake")
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"snakemake=={version}"], check=True, timeout=600)
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [python, "-m", "snakemake", "--cores", "all", "--dry-run", "--directory", str(tmp_path)]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", str(REPOSITORY / "config.yaml")]
    ran = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def venv_pins() -> list[str]:
    return (REPOSITORY / "envs" / "venv.txt").read_text().splitlines()
