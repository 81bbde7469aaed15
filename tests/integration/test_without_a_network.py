"""Compute nodes often have no network: a job that is timed or trained needs none."""

import shutil
import subprocess
import sys

import pytest

from integration.by_hand import ended, run_of, train, vitbench

ISOLATED = ("unshare", "--user", "--map-root-user", "--net")  # a network of its own, in which there is nothing

REACHING_OUT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"


@pytest.fixture(scope="module")
def project(prepared, tmp_path_factory):
    if shutil.which("unshare") is None or subprocess.run([*ISOLATED, "true"], capture_output=True).returncode:
        pytest.skip("this system does not let a process have a network of its own")
    found = subprocess.run([*ISOLATED, sys.executable, "-c", REACHING_OUT], capture_output=True, text=True)
    assert "Network is unreachable" in found.stderr
    folder = tmp_path_factory.mktemp("isolated") / "project"
    shutil.copytree(prepared, folder)
    return folder


def test_a_run_needs_no_network(project):
    ended(train(project, "torch", prefix=ISOLATED))
    assert run_of(project, "torch", "best.weights.h5").exists()


def test_nor_does_a_measurement(project):
    ended(vitbench(project, "throughput", "--model", "vit", "--backend", "jax", prefix=ISOLATED))
    assert (
        '"status": "completed"' in (project / "results/interrupted/throughput/vit/jax/tuned/float32.json").read_text()
    )
