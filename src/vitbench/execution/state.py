"""The state that training changes, captured and restored."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from vitbench.backends.process import current_backend


@dataclass(frozen=True)
class TrainingState:
    """Copies of everything that training changes: weights, optimizer variables and the state of every generator.

    variables: of the model, which include the generators of its layers, and of its optimizer.
    random: of the generators that belong to no layer; see `Backend.random_state`.
    """

    variables: list[np.ndarray]
    random: list[np.ndarray]

    @classmethod
    def capture(cls, model: keras.Model) -> "TrainingState":
        """Copies the state of `model` and of this process."""
        variables = [np.array(keras.ops.convert_to_numpy(variable)) for variable in _all_variables(model)]
        return cls(variables, current_backend().random_state())

    def restore(self, model: keras.Model) -> None:
        """Sets `model`, which must have the same architecture, and this process to the captured state."""
        for variable, value in zip(_all_variables(model), self.variables, strict=True):
            variable.assign(value)
        current_backend().set_random_state(self.random)


def _all_variables(model: keras.Model) -> list:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


@contextmanager
def preserve_state(model: keras.Model) -> Iterator[None]:
    """Restores weights, optimizer state and random state at the end of the block."""
    state = TrainingState.capture(model)
    yield
    state.restore(model)
