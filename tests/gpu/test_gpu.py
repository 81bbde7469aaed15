"""Runs where there is a GPU: python -m pytest tests/gpu"""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from helpers.backend_processes import BACKENDS, BackendProcess
from vitbench.measure.gpu_busy import GpuBusyMeter
from vitbench.system.gpus import has_gpu

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not has_gpu(), reason="this machine has no GPU")]
WORKER = "integration.workers.cuda_graph"


@pytest.fixture(scope="module")
def torch_process() -> Iterator[BackendProcess]:
    if "torch" not in BACKENDS:
        pytest.skip("torch is not installed")
    process = BackendProcess("torch", accelerator="gpu")
    yield process
    process.close()


def test_captured_steps_compute_the_same_as_plain_ones(torch_process):
    plain, captured = (torch_process.call(f"{WORKER}:train_and_predict", graph, True) for graph in (False, True))
    assert plain["captured"] == 0
    assert captured["captured"] == 5, "training and validation on two batch sizes each, prediction on one"
    for name, values in plain["losses"].items():
        np.testing.assert_allclose(captured["losses"][name], values, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(captured["predictions"], plain["predictions"], rtol=1e-3, atol=1e-4)


def test_the_gate_computes_the_same_by_captured_steps(torch_process):
    plain, captured = torch_process.call(f"{WORKER}:collect_plain_and_captured")
    assert plain.keys() == captured.keys()
    for name in plain.keys() - {"rounding"}:
        np.testing.assert_allclose(captured[name], plain[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_captured_step_draws_another_dropout_each_time(torch_process):
    trained = torch_process.call(f"{WORKER}:train_and_predict", True, False)
    losses = trained["losses"]["loss"]
    assert len(set(losses)) == len(losses)


def test_nvml_says_that_a_gpu_is_busy():
    torch = pytest.importorskip("torch")
    matrix, meter = torch.ones(8192, 8192, device="cuda"), GpuBusyMeter(on_gpu=True)
    meter.start()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        matrix = matrix @ matrix
        torch.cuda.synchronize()
    meter.stop()
    if meter.share() is None:
        pytest.skip("NVML does not sample this GPU")
    assert meter.share() > 0.9
