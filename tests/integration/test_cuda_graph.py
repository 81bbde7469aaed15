"""What a CUDA graph needs of the steps before its capture, which can be tested on a CPU. See tests/gpu for the rest."""

import numpy as np
import pytest

from helpers.backend_processes import BACKENDS

WORKER = "integration.workers.cuda_graph"

pytestmark = pytest.mark.skipif("torch" not in BACKENDS, reason="torch is not installed")


@pytest.mark.parametrize("steps_before", [0, 2])
def test_the_steps_before_a_capture_are_undone(backend_processes, steps_before):
    before, after = backend_processes.call("torch", f"{WORKER}:undo_steps", steps_before)
    for kind in ("model", "optimizer", "random"):
        assert len(before[kind]) == len(after[kind])
        for old, new in zip(before[kind], after[kind], strict=True):
            np.testing.assert_array_equal(old, new)
    expected = before["metrics"] if steps_before else [np.zeros_like(value) for value in after["metrics"]]
    assert len(after["metrics"]) > 2
    for old, new in zip(expected, after["metrics"], strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_gate_leaves_autograd_graphs_that_only_the_garbage_collector_removes(backend_processes):
    """One that still exists ties its weights to the stream of its step, and a capture on another stream fails."""
    at_once, collected = backend_processes.call("torch", f"{WORKER}:count_autograd_tensors")
    assert at_once > 0 and collected == 0
