"""Compute nodes often have no network. Training and measuring need none."""

import shutil
import subprocess
import sys

import pytest

from helpers.small_experiment import (
    results_of,
    run_folder,
    start_command,
    start_training,
    wait_until_done,
    write_config,
)
from vitbench.system.files import read_json

ISOLATED = ("unshare", "--user", "--map-root-user", "--net")  # a network namespace without interfaces
CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"


@pytest.fixture(scope="module")
def project(prepared_experiment, tmp_path_factory):
    if shutil.which("unshare") is None or subprocess.run([*ISOLATED, "true"], capture_output=True).returncode:
        pytest.skip("this system does not let a process have a network of its own")
    attempt = subprocess.run([*ISOLATED, sys.executable, "-c", CONNECT], capture_output=True, text=True)
    assert "Network is unreachable" in attempt.stderr
    project = tmp_path_factory.mktemp("isolated") / "project"
    shutil.copytree(prepared_experiment, project)
    write_config(project, epochs=2)
    return project


def test_training_needs_no_network(project):
    wait_until_done(start_training(project, "torch", prefix=ISOLATED))
    assert (run_folder(project, "torch") / "best.weights.h5").exists()


def test_measuring_throughput_needs_no_network(project):
    command = ["throughput", "--model", "vit", "--backend", "jax"]
    wait_until_done(start_command(project, *command, prefix=ISOLATED))
    assert read_json(results_of(project).throughput("vit", "jax", "tuned", "float32", "1"))["status"] == "completed"
