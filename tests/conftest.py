"""Keras is imported at most once per process, so the tests that run in this one share a backend."""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
# Tests share the cores. Threads of torch that spin while they wait for one another take five times as long then.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
