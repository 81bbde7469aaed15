"""What both native models are told beside the model's parameters and weights."""

from dataclasses import dataclass

import numpy as np

Weights = dict[str, np.ndarray]  # by path, as in the Keras model


@dataclass(frozen=True)
class Settings:
    """AdamW as Keras has it: each step takes learning_rate · weight_decay off every weight.

    compiled: whether a compiler makes the step; JAX always does.
    """

    learning_rate: float
    weight_decay: float
    precision: str = "float32"
    compiled: bool = True
    epsilon: float = 1e-7  # as Keras' default
