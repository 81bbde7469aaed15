"""What holds in every process that runs tests."""

import os

from vitbench.system.environment import usable_cores

# Keras is imported at most once per process, so the tests that run in this one share a backend.
os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
# Threads of torch that spin while they wait for one another take five times as long if tests share the cores.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

# Each worker of pytest-xdist has a core of its own, with the processes that it starts.
if (worker := os.environ.get("PYTEST_XDIST_WORKER", "")) and hasattr(os, "sched_setaffinity"):
    cores = usable_cores()
    os.sched_setaffinity(0, [cores[int(worker.removeprefix("gw")) % len(cores)]])
