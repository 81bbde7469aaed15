"""The workflow on a cluster of `helpers.cluster`, through the project's own profile."""

import subprocess
import sys
from pathlib import Path

from helpers.cluster import Cluster

# What the profile's comments tell a user to edit, for a node of two cores; there is no conda here.
EDITS = {
    "software-deployment-method: conda": "software-deployment-method: env-modules",
    "slurm-init-seconds-before-status-checks: 60": "slurm-init-seconds-before-status-checks: 2",
    "latency-wait: 60": "latency-wait: 5",
    "mem_mb: 16000 * attempt": "mem_mb: 3000 * attempt",
    **{f"  {rule}: 8\n": f"  {rule}: 1\n" for rule in ("tune", "parity", "sample", "throughput", "train")},
}
GRES = {
    "    # gpu: 0": "    gpu: 0",
    "    # gres: gpu:1": "    gres: gpu:1",
    **{f"  # {rule}: {{": f"  {rule}: {{" for rule in ("tune", "parity", "sample", "throughput")},
}


def edit_profile(project: Path, edits: dict[str, str]) -> None:
    profile = project / "profiles" / "slurm" / "config.yaml"
    text = profile.read_text()
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new)
    profile.write_text(text)


def start_snakemake(cluster: Cluster, project: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm", *arguments]
    environment = {k: v for k, v in cluster.environment.items() if k not in ("KERAS_BACKEND", "PYTHONPATH")}
    environment["PATH"] = f"{cluster.folder}/bin:{Path(sys.executable).parent}:{environment['PATH']}"
    with (project / "snakemake.log").open("a") as log:
        return subprocess.Popen(command, cwd=project, env=environment, stdout=log, stderr=log)


def wait_until_done(cluster: Cluster, project: Path, process: subprocess.Popen, seconds: float) -> str:
    """Waits for Snakemake, which must succeed, and returns its output."""
    try:
        process.wait(seconds)
    finally:
        if process.poll() is None:
            process.kill()
    output = (project / "snakemake.log").read_text()
    assert process.returncode == 0, output[-6000:] + cluster.logs()
    return output
