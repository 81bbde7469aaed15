"""A copy of the project, to run the real Snakemake in."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PARTS = ["Snakefile", "config.yaml", "workflow", "profiles", "envs", "src", "reports", "examples"]
TINY = ("--configfile", "config.yaml", str(Path(__file__).parent / "tiny.yaml"))


def copied(to: Path) -> Path:
    for part in PARTS:
        source = REPOSITORY / part
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, to / part, ignore=ignored) if source.is_dir() else shutil.copy(source, to)
    return to


def snakemake(
    project: Path, *arguments: str, data_kilobytes: int | None = None, **variables: str
) -> subprocess.CompletedProcess:
    """Runs it in `project`; no process of it may have more data than that."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    if data_kilobytes:
        command = ["bash", "-c", f"ulimit -d {data_kilobytes}; exec {shlex.join(command)}"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment = {k: v for k, v in environment.items() if k not in ("KERAS_BACKEND", "JAX_PLATFORMS", "PYTHONPATH")}
    environment |= variables
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=900)


def planned(project: Path, *arguments: str) -> set[str]:
    """The rules that Snakemake would run now."""
    dry = snakemake(project, *TINY, *arguments, "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    named = re.findall(r"^(?:local)?rule (\w+):|^Job \d+: (\w+):", dry.stdout + dry.stderr, re.MULTILINE)
    return {rule or message for rule, message in named}
