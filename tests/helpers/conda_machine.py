"""A machine as a user has it: a conda, a virtual environment with Snakemake alone, and a fresh clone of the project."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from helpers.local_conda import LocalConda

REPOSITORY = Path(__file__).parents[2]
CHANNEL = Path(__file__).with_name("conda_channel.py")


class Machine:
    """Everything is below `folder`: also the home folder, with pip's cache."""

    def __init__(self, folder: Path):
        self.folder, self.project, self.home = folder, folder / "project", folder / "home"
        self.conda = LocalConda(folder)
        self.minutes: dict[str, float] = {}

    def install(self) -> None:
        self.home.mkdir()
        self.measure("conda and its channel", self._install_conda)
        self.measure("Snakemake", self._install_snakemake)
        clone_working_tree(self.project)

    def measure(self, name: str, action: Callable[[], object]) -> None:
        """Records how many minutes `action` takes."""
        start = time.monotonic()
        action()
        self.minutes[name] = (time.monotonic() - start) / 60

    def _install_conda(self) -> None:
        self.conda.install()
        environment = yaml.safe_load((REPOSITORY / "envs" / "report.yaml").read_text())
        versions = dict(line.split("=") for line in environment["dependencies"][:-1])
        python = versions.pop("python")
        wheels = self.folder / "wheels"
        pins = [f"{name}=={version}" for name, version in versions.items()]
        self.conda.run_python("-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), *pins)
        self.conda.run_python(str(CHANNEL), str(self.conda.channel), python, str(wheels))

    def _install_snakemake(self) -> None:
        subprocess.run([sys.executable, "-m", "venv", self.folder / "snakemake"], check=True)
        (version,) = re.findall(r"^snakemake==(\S+)", (REPOSITORY / "envs" / "venv.txt").read_text(), re.MULTILINE)
        self.pip_install(f"snakemake=={version}")

    def pip_install(self, *requirements: str) -> None:
        """Installs into the virtual environment of Snakemake."""
        python = self.folder / "snakemake" / "bin" / "python"
        command = [str(python), "-m", "pip", "install", "--quiet", "--progress-bar", "off", *requirements]
        subprocess.run(command, env=self.variables(), check=True, timeout=600)

    def variables(self) -> dict[str, str]:
        """The environment variables; neither the project's .venv nor anything else with Snakemake is on PATH."""
        # Modules are compiled when they are imported; most never are.
        variables = self.conda.environment() | {"HOME": str(self.home), "PIP_NO_COMPILE": "1"}
        folders = [
            folder for folder in variables["PATH"].split(os.pathsep) if not (Path(folder) / "snakemake").exists()
        ]
        return variables | {"PATH": os.pathsep.join([str(self.folder / "snakemake" / "bin"), *folders])}

    def run_snakemake(self, *arguments: str, succeeds: bool = True, **variables: str) -> str:
        """Runs Snakemake with --use-conda in the clone and returns its output."""
        process = self.start_snakemake(*arguments, **variables)
        try:
            output, _ = process.communicate(timeout=900)
        finally:
            kill_group(process)
        assert (process.returncode == 0) is succeeds, output
        return output

    def start_snakemake(self, *arguments: str, **variables: str) -> subprocess.Popen:
        """Starts Snakemake and its children as one process group."""
        command = ["snakemake", "--cores", "2", "--use-conda", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.project,
            env=self.variables() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def environments(self) -> dict[str, list[Path]]:
        """The folders of the environments that conda has created completely, by the name of their file."""
        created: dict[str, list[Path]] = {}
        texts = {file.read_text(): file.stem for file in (self.project / "envs").glob("*.yaml")}
        for copy in (self.project / ".snakemake" / "conda").glob("*.yaml"):
            folder = copy.with_suffix("")
            if folder.with_suffix(".env_setup_done").exists():
                created.setdefault(texts.get(copy.read_text(), "changed"), []).append(folder)
        return created


def clone_working_tree(folder: Path) -> None:
    """Copies what git tracks or would track, as it is now."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (source := REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name, follow_symlinks=False)


def kill_group(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(60)
