"""pyproject, .venv's pins and the conda environments name the same versions."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
ENVS = REPOSITORY / "envs"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = sorted(ENVS.glob("*.yaml"))


def pins(name: str) -> list[Requirement]:
    if name == "venv":
        lines = [line for line in (ENVS / "venv.txt").read_text().splitlines() if not line.startswith("#")]
    else:
        lines = yaml.safe_load((ENVS / f"{name}.yaml").read_text())["dependencies"][-1]["pip"]
    return [Requirement(line) for line in lines]


def versions(name: str, **environment: str) -> dict[str, str]:
    """Package to version, for the pins whose markers hold in `environment` (default: Linux, Python 3.11)."""
    linux = {"python_version": "3.11", "python_full_version": "3.11.13", "sys_platform": "linux"} | environment
    linux |= {"platform_machine": "x86_64", "implementation_name": "cpython"}
    chosen = [pin for pin in pins(name) if pin.marker is None or pin.marker.evaluate(linux)]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in chosen}


def direct(*extras: str) -> dict[str, str]:
    wanted = [Requirement(line) for line in PROJECT["dependencies"] + [p for e in extras for p in EXTRAS[e]]]
    wanted = [pin for pin in wanted if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in wanted}


def test_there_is_an_environment_for_each_backend_gpu_and_cpu_and_one_for_the_report():
    names = {f"{b}{v}" for b in ("jax", "torch", "tensorflow") for v in ("", "-cpu")} | {"report"}
    assert {path.stem for path in CONDA} == names


@pytest.mark.parametrize("name", ["venv", *(path.stem for path in CONDA)])
def test_every_pin_is_exact(name):
    assert [str(pin) for pin in pins(name) if not re.fullmatch(r"==[^*,]+", str(pin.specifier))] == []


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.stem)
def test_conda_forge_provides_python_and_pip_alone(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *conda, index = environment["dependencies"]
    assert [re.fullmatch(r"(python|pip)=\d+(\.\d+)+", line)[1] for line in conda] == ["python", "pip"]
    assert list(index) == ["pip"]


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.stem)
def test_an_environment_has_what_pyproject_asks_for_at_that_version(path):
    extras = [path.stem] if path.stem == "report" else ["keras", path.stem]
    wanted = direct(*extras)
    found = versions(path.stem)
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.stem)
def test_an_environment_has_the_versions_that_are_tested(path):
    tested, found = versions("venv"), versions(path.stem)
    shared = tested.keys() & found.keys()
    assert {name: found[name] for name in shared} == {name: tested[name] for name in shared}
    assert len(shared) > 10


def test_the_running_interpreter_has_the_pinned_versions():
    chosen = [pin for pin in pins("venv") if pin.marker is None or pin.marker.evaluate()]
    assert len(chosen) > 100
    pinned = {pin.name: str(pin.specifier).removeprefix("==") for pin in chosen}
    found = {name: importlib.metadata.version(name).partition("+")[0] for name in pinned}
    assert found == pinned


def test_no_file_of_the_environments_names_where_packages_come_from():
    for path in [*CONDA, ENVS / "venv.txt"]:
        assert "://" not in path.read_text() and "--" not in path.read_text()
