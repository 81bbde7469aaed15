"""Writes every pinned environment from pyproject.toml: run it with `make lock`.

envs/venv.txt is what `make` installs into .venv, for each Python ≥ 3.11; envs/gpu.txt is one environment for JAX and
PyTorch on a GPU; envs/*.yaml are the conda environments, whose Python is fixed. conda-forge provides only python, pip
and what its pip requires, setuptools and wheel: the frameworks ship their GPU builds through the index. Channels of the
user's own settings come after conda-forge, which has all four.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
PYTHON = "3.11.13"
FROM_CONDA = {"python": PYTHON, "pip": "25.2", "setuptools": "80.9.0", "wheel": "0.45.1"}
HEADER = "# Made by `make lock` from pyproject.toml; do not edit.\n"
CPU_NOTE = (
    "# Without the CUDA libraries, for which a CPU build has no use. If your index has only a CUDA build of torch\n"
    "# for your platform, as the default index has for Linux, pip adds the libraries that this build requires.\n"
)
CUDA = re.compile(r"(nvidia|cuda|triton)\b(?!-ml-py)")
# Where a conda environment may be made: sys_platform, platform_system, platform_machine.
PLATFORMS = [
    ("linux", "Linux", "x86_64"),
    ("linux", "Linux", "aarch64"),
    ("darwin", "Darwin", "arm64"),
    ("darwin", "Darwin", "x86_64"),
]

# file: (extras of pyproject.toml, whether CUDA libraries belong to it)
ENVIRONMENTS = {
    "venv": (["keras", "jax-cpu", "torch-cpu", "tensorflow-cpu", "report", "workflow", "dev"], False),
    "jax": (["keras", "jax"], True),
    "jax-cpu": (["keras", "jax-cpu"], False),
    "torch": (["keras", "torch"], True),
    "torch-cpu": (["keras", "torch-cpu"], False),
    "tensorflow": (["keras", "tensorflow"], True),
    "tensorflow-cpu": (["keras", "tensorflow-cpu"], False),
    "report": (["report"], False),
    "gpu": (["keras", "jax", "torch"], True),
}
WITHOUT_CONDA = ("venv", "gpu")  # lists for pip


def main() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    venv: list[str] = []
    for name, (extras, with_cuda) in ENVIRONMENTS.items():
        direct = project["dependencies"] + [pin for e in extras for pin in project["optional-dependencies"][e]]
        # An environment takes the versions that .venv was tested with wherever both have a package.
        pins = [pin for pin in resolve(direct, venv) if with_cuda or not CUDA.match(pin)]
        header = HEADER + ("" if with_cuda or name == "report" else CPU_NOTE)
        if name == "venv":
            venv = pins
        if name in WITHOUT_CONDA:
            text = header + "\n".join(pins) + "\n"
        else:
            pins = [pin for pin in pins if for_conda(pin)]
            text = header + conda(pins)
        file = REPOSITORY / "envs" / (f"{name}.txt" if name in WITHOUT_CONDA else f"{name}.yaml")
        file.write_text(text)
        print(f"{file.name}: {len(pins)} packages")


def resolve(direct: list[str], constraints: list[str]) -> list[str]:
    """Exact pins, with markers, of `direct` and all that they require, for Linux and macOS and Python ≥ 3.11."""
    with tempfile.TemporaryDirectory() as folder:
        requirements, constrained = Path(folder, "requirements.in"), Path(folder, "constraints.txt")
        requirements.write_text("\n".join(direct))
        constrained.write_text("\n".join(constraints))
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += [
            "--no-header",
            "--no-annotate",
            "--no-emit-index-url",
            "--constraint",
            str(constrained),
            str(requirements),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [line for line in done.stdout.splitlines() if "==" in line and "sys_platform == 'win32'" not in line]


def for_conda(pin: str) -> bool:
    """Whether the fixed Python of the conda environments, CPython, can take this pin on any platform."""
    marker = Requirement(pin).marker
    python = {"python_full_version": PYTHON, "python_version": PYTHON.rpartition(".")[0], "os_name": "posix"}
    python |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    keys = ("sys_platform", "platform_system", "platform_machine")
    return marker is None or any(marker.evaluate(python | dict(zip(keys, values, strict=True))) for values in PLATFORMS)


def conda(pins: list[str]) -> str:
    lines = ["channels:", "  - conda-forge", "dependencies:"]
    lines += [*(f"  - {name}={version}" for name, version in FROM_CONDA.items()), "  - pip:"]
    return "\n".join([*lines, *(f"      - {_quoted(pin)}" for pin in pins)]) + "\n"


def _quoted(pin: str) -> str:
    return f'"{pin}"' if ";" in pin else pin


if __name__ == "__main__":
    main()
