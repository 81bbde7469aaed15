"""pyproject, .venv's pins and the conda environments name the same versions."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.backend_processes import subprocess_environment
from vitbench.system.fingerprint import source_files

REPOSITORY = Path(__file__).parents[2]
ENVS = REPOSITORY / "envs"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = sorted(ENVS.glob("*.yaml"))
LINUX = {"python_version": "3.11", "python_full_version": "3.11.13", "implementation_name": "cpython"}
LINUX |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}
WITHOUT_CONDA = ("venv", "gpu")
GPU_ONLY = ("jax", "torch", "tensorflow")  # extras that .venv does not hold


def pins(name: str) -> list[Requirement]:
    if name in WITHOUT_CONDA:
        lines = [line for line in (ENVS / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
    else:
        lines = yaml.safe_load((ENVS / f"{name}.yaml").read_text())["dependencies"][-1]["pip"]
    return [Requirement(line) for line in lines]


def chosen(pins: list[Requirement]) -> dict[str, str]:
    """Package to version, for the pins that Linux on x86_64 with the environments' Python takes, wherever this runs."""
    taken = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(LINUX)]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in taken}


def versions(name: str) -> dict[str, str]:
    return chosen(pins(name))


def direct(*extras: str) -> dict[str, str]:
    return chosen([Requirement(line) for line in PROJECT["dependencies"] + [p for e in extras for p in EXTRAS[e]]])


def test_there_is_an_environment_for_each_backend_gpu_and_cpu_and_one_for_the_report():
    names = {f"{b}{v}" for b in ("jax", "torch", "tensorflow") for v in ("", "-cpu")} | {"report"}
    assert {path.stem for path in CONDA} == names


ALL = [*WITHOUT_CONDA, *(path.stem for path in CONDA)]


@pytest.mark.parametrize("name", ALL)
def test_every_pin_is_exact(name):
    assert [str(pin) for pin in pins(name) if not re.fullmatch(r"==[^*,]+", str(pin.specifier))] == []


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.stem)
def test_conda_forge_provides_python_and_pip_and_what_pip_requires_at_exact_versions(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge"]
    *conda, index = environment["dependencies"]
    names = [re.fullmatch(r"(\w+)=\d+(\.\d+)+", line)[1] for line in conda]
    assert names == ["python", "pip", "setuptools", "wheel"]
    assert list(index) == ["pip"]


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.stem)
def test_an_environment_has_what_pyproject_asks_for_at_that_version(path):
    extras = [path.stem] if path.stem == "report" else ["keras", path.stem]
    requested = direct(*extras)
    pinned = versions(path.stem)
    assert {name: pinned.get(name) for name in requested} == requested


def test_venv_has_what_pyproject_asks_for_at_that_version():
    requested = direct(*(extra for extra in EXTRAS if extra not in GPU_ONLY))
    pinned = versions("venv")
    assert {name: pinned.get(name) for name in requested} == requested


def test_the_environment_for_jax_and_torch_has_the_versions_of_their_own_ones():
    requested = direct("keras", "jax", "torch")
    gpu, venv = versions("gpu"), versions("venv")
    assert {name: gpu.get(name) for name in requested} == requested
    assert {name: gpu[name] for name in gpu.keys() & venv.keys()} == {
        name: venv[name] for name in gpu.keys() & venv.keys()
    }


@pytest.mark.parametrize("name", ALL)
def test_an_environment_has_libraries_of_one_cuda_version(name):
    """Packages such as nvidia-cudnn-cu12 and nvidia-cudnn-cu13 overwrite each other's files."""
    majors = {match[1] for package in versions(name) if (match := re.search(r"-cu(?:da)?(\d+)\b", package))}
    expected = {"jax": {"13"}, "torch": {"13"}, "gpu": {"13"}, "tensorflow": {"12"}}
    assert majors == expected.get(name, set())


@pytest.mark.parametrize("backend", GPU_ONLY)
def test_the_gpu_and_the_cpu_environment_of_a_backend_differ_in_libraries_for_the_gpu_alone(backend):
    gpu, cpu = versions(backend), versions(f"{backend}-cpu")
    shared = gpu.keys() & cpu.keys()
    assert {name: gpu[name] for name in shared} == {name: cpu[name] for name in shared}
    assert cpu.keys() - gpu.keys() <= {"tensorflow-cpu"}
    assert gpu[backend] == cpu.get(backend, cpu.get(f"{backend}-cpu"))


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.stem)
def test_no_pin_is_for_another_python_than_the_environments(path):
    elsewhere = [LINUX, LINUX | {"platform_machine": "aarch64"}]
    elsewhere += [e | {"sys_platform": "darwin", "platform_system": "Darwin"} for e in elsewhere]
    marked = [pin for pin in pins(path.stem) if pin.marker]
    assert [str(pin) for pin in marked if not any(pin.marker.evaluate(e) for e in elsewhere)] == []


@pytest.mark.parametrize(
    "step", ["data", "init", "sample", "tune", "parity", "train", "throughput", "tables", "report"]
)
def test_a_step_imports_nothing_that_its_environment_was_not_asked_to_hold(step):
    extras = ["report"] if step in ("tables", "report") else ["keras", "jax-cpu", "torch-cpu", "tensorflow-cpu"]
    requested = {name.removesuffix("-cpu") for name in direct(*extras)}
    belongs_to = importlib.metadata.packages_distributions()
    files = [Path(file) for file in source_files(f"vitbench.steps.{step}")]
    # The report calls no method of a backend that imports its framework, so there only the imports of modules count,
    # and not those of a module that such a method imports.
    when_imported = [file for file in files if extras == ["report"] and file.parent.name == "backends"]
    if extras == ["report"]:
        files = [file for file in files if file.name != "cuda_graph.py"]
    imported = {name for file in files for name in imports(file, module_level=file in when_imported)}
    in_jobs_only = {"pynvml"} if extras == ["report"] else set()  # describes the GPU of a job
    foreign = imported - sys.stdlib_module_names - {"vitbench"} - in_jobs_only
    unrequested = [
        n for n in foreign if not requested & {canonicalize_name(d).removesuffix("-cpu") for d in belongs_to[n]}
    ]
    assert sorted(unrequested) == []


def test_the_workflow_imports_only_packages_that_snakemake_requires():
    rules = [REPOSITORY / "Snakefile", *(REPOSITORY / "workflow" / "rules").glob("*.smk")]
    modules = {name for file in rules for name in re.findall(r"^from (vitbench[\w.]*) import", file.read_text(), re.M)}
    assert len(modules) > 5
    program = f"import sys; old = set(sys.modules); import {', '.join(modules)}"
    program += "; vitbench.config.loading.parse_config({}); print(*(set(sys.modules) - old))"
    command = [sys.executable, "-c", program]
    environment = subprocess_environment()
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    imported = completed.stdout.split()
    belongs_to = importlib.metadata.packages_distributions()
    packages = {module.split(".")[0] for module in imported}
    distributions = {canonicalize_name(name) for package in packages for name in belongs_to.get(package, [])}
    assert "pydantic" in distributions
    assert distributions - required_packages("snakemake") - {"vitbench"} == set()


def required_packages(name: str) -> set[str]:
    """The distribution `name`, what it requires, what that requires, and so on, without extras."""
    known: set[str] = set()
    queue = [canonicalize_name(name)]
    while queue:
        if (package := queue.pop()) in known:
            continue
        known.add(package)
        requirements = map(Requirement, importlib.metadata.requires(package) or [])
        taken = [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
        queue += [canonicalize_name(requirement.name) for requirement in taken]
    return known


def imports(file: Path, module_level: bool = False) -> set[str]:
    """The first parts of the names of the modules that a file imports, anywhere in it or at module level only."""
    tree = ast.parse(file.read_text())
    nodes = tree.body if module_level else list(ast.walk(tree))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in named}


def test_the_report_needs_no_keras():
    assert not {"keras", "jax", "torch", "tensorflow", "tensorflow-cpu"} & versions("report").keys()


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.stem)
def test_an_environment_has_the_versions_that_are_tested(path):
    tested, pinned = versions("venv"), versions(path.stem)
    shared = tested.keys() & pinned.keys()
    assert {name: pinned[name] for name in shared} == {name: tested[name] for name in shared}
    assert len(shared) > 10


def test_the_running_interpreter_has_the_pinned_versions():
    applicable = [pin for pin in pins("venv") if pin.marker is None or pin.marker.evaluate()]
    assert len(applicable) > 100
    pinned = {pin.name: str(pin.specifier).removeprefix("==") for pin in applicable}
    installed = {name: importlib.metadata.version(name).partition("+")[0] for name in pinned}
    assert installed == pinned


def test_no_file_of_the_environments_names_where_packages_come_from():
    for path in [*CONDA, ENVS / "venv.txt"]:
        assert "://" not in path.read_text() and "--" not in path.read_text()
