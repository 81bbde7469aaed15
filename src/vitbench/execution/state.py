"""The state that training changes, captured and restored."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from vitbench.backends.process import current_backend


@dataclass(frozen=True)
class TrainingState:
    """All that training changes: weights and the optimizer's variables, and every generator's state; copies."""

    variables: list[np.ndarray]
    random: list[np.ndarray]

    @classmethod
    def capture(cls, model: keras.Model) -> "TrainingState":
        """That of `model`, whose layers' generators are variables of it, and of this process."""
        variables = [np.array(keras.ops.convert_to_numpy(variable)) for variable in _all_variables(model)]
        return cls(variables, current_backend().random_state())

    def restore(self, model: keras.Model) -> None:
        """Into a model like the one that it was taken of."""
        for variable, value in zip(_all_variables(model), self.variables, strict=True):
            variable.assign(value)
        current_backend().set_random_state(self.random)


def _all_variables(model: keras.Model) -> list:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


@contextmanager
def preserve_state(model: keras.Model) -> Iterator[None]:
    """At the end the model and its optimiser are as they were: weights, optimiser state and random state."""
    before = TrainingState.capture(model)
    yield
    before.restore(model)
