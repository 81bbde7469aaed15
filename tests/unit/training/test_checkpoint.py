import keras
import numpy as np
import pytest

from vitbench.training import checkpoint as checkpoint_module
from vitbench.training.checkpoint import Checkpoint

HISTORY = {"epoch_rows": [{"epoch": 1}, {"epoch": 2}], "best_epoch": 2}
IDENTITY = {"settings": "a", "code": "1"}


def build_model() -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    return model


def train(model: keras.Model) -> None:
    model.fit(np.ones((8, 3), np.float32), np.ones((8, 2), np.float32), verbose=0)


def state(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in (*model.variables, *model.optimizer.variables)]


@pytest.fixture
def saved(tmp_path) -> tuple[Checkpoint, keras.Model]:
    """A checkpoint, and the model that was saved in it."""
    model = build_model()
    train(model)
    checkpoint = Checkpoint(tmp_path, IDENTITY)
    checkpoint.save(model, HISTORY)
    return checkpoint, model


@pytest.fixture
def messages(monkeypatch) -> list[str]:
    """The messages to the user."""
    messages = []
    monkeypatch.setattr(checkpoint_module, "notify", messages.append)
    return messages


def test_a_resumed_model_continues_as_the_saved_one_would(saved, tmp_path):
    _, original = saved
    resumed = build_model()
    assert Checkpoint(tmp_path, IDENTITY).resume(resumed) == HISTORY
    for model in (original, resumed):
        train(model)
    for mine, other in zip(state(resumed), state(original), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_without_a_saved_state_there_is_nothing_to_resume(tmp_path):
    assert Checkpoint(tmp_path, IDENTITY).resume(build_model()) is None


def test_a_state_with_another_identity_is_not_resumed(saved, tmp_path, messages):
    model = build_model()
    before = state(model)
    assert Checkpoint(tmp_path, IDENTITY | {"settings": "b"}).resume(model) is None
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert "was saved with other settings: the run starts from the beginning" in messages[0]


def test_a_damaged_state_is_not_resumed(saved, tmp_path, messages):
    (tmp_path / "state.npz").write_bytes(b"half of a file")
    assert Checkpoint(tmp_path, IDENTITY).resume(build_model()) is None
    assert "is damaged: the run starts from the beginning" in messages[0]


def test_saving_deletes_the_weights_of_all_epochs_but_the_best(saved):
    checkpoint, model = saved
    for epoch in (1, 2):
        model.save_weights(checkpoint.best_weights(epoch))
    checkpoint.save(model, HISTORY)
    assert not checkpoint.best_weights(1).exists() and checkpoint.best_weights(2).exists()


def test_a_finished_run_leaves_its_result_alone(saved, tmp_path):
    checkpoint, model = saved
    model.save_weights(checkpoint.best_weights(2))
    assert checkpoint.finished_result() is None
    checkpoint.finish({"row": {"status": "completed"}})
    assert checkpoint.finished_result() == {"row": {"status": "completed"}}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert Checkpoint(tmp_path, IDENTITY | {"code": "2"}).finished_result() is None
