import keras
import numpy as np
import pytest

from vitbench.execution.state import TrainingState, preserve_state


@pytest.fixture
def model() -> keras.Model:
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(2)(keras.layers.Dropout(0.5, seed=1)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    return model


def train(model: keras.Model) -> float:
    random = np.random.default_rng(0)
    return float(model.train_on_batch(random.normal(size=(4, 3)), random.normal(size=(4, 2))))


def variables(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable).copy() for variable in (*model.variables, *model.optimizer.variables)]


def test_the_block_leaves_weights_optimizer_and_generators_as_they_were(model):
    train(model)
    before = variables(model)
    with preserve_state(model):
        loss = train(model)
        assert not all(map(np.array_equal, before, variables(model)))
    assert all(map(np.array_equal, before, variables(model)))
    model.reset_metrics()
    assert train(model) == pytest.approx(loss)  # the same dropout and the same step


def test_a_captured_state_is_a_copy_that_can_be_restored_later(model):
    state = TrainingState.capture(model)
    before = variables(model)
    train(model)
    train(model)
    state.restore(model)
    assert all(map(np.array_equal, before, variables(model)))
