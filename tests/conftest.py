"""Keras is imported at most once per process, so the tests that run in this one share a backend."""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
