import inspect
import itertools
import time

import keras
import numpy as np
import pytest

from vitbench.backends.process import current_backend
from vitbench.data.batches import EpochOrder
from vitbench.execution.audit import NotAsPlannedError
from vitbench.measure.timing import BlockClock
from vitbench.results.schema import EPOCH_COLUMNS
from vitbench.system.logs import ProgressBar
from vitbench.training.callbacks import RunRecorder
from vitbench.training.checkpoint import Checkpoint
from vitbench.training.history import RunHistory

FEATURES, LABELS = np.ones((8, 3), np.float32), np.arange(8, dtype=np.int32) % 2


class FixedMetrics(keras.callbacks.Callback):
    """Replaces the metrics of each epoch before the recorder sees them."""

    def __init__(self, rows: list[dict]):
        super().__init__()
        self.rows = rows

    def on_epoch_end(self, epoch, logs):
        logs |= {"top5_accuracy": 1.0, "val_top5_accuracy": 1.0} | self.rows[epoch]


@pytest.fixture
def train(tmp_path):
    """A function that trains one epoch for each of the given metrics and returns the recorder."""

    def train(*metrics: dict, saved: dict | None = None, checkpoint_seconds=0.0, clock=time.monotonic) -> RunRecorder:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
        history = RunHistory.begin(saved, {})
        bar = ProgressBar("train", len(metrics), "epoch", history.epochs)
        recorder = RunRecorder(model, Checkpoint(tmp_path, {}), history, bar, checkpoint_seconds, clock)
        model.fit(
            FEATURES,
            LABELS,
            initial_epoch=history.epochs,
            epochs=len(metrics),
            validation_data=(FEATURES, LABELS),
            verbose=0,
            callbacks=[FixedMetrics(list(metrics)), recorder],
        )
        return recorder

    return train


def test_each_epoch_is_a_row_with_the_columns_of_the_history(train):
    history = train({"val_accuracy": 0.5}, {"val_accuracy": 0.6}).history
    assert history.epochs == 2
    for number, row in enumerate(history.epoch_rows, start=1):
        assert list(row) == list(EPOCH_COLUMNS)
        assert row["epoch"] == number and row["learning_rate"] == pytest.approx(0.01) and row["resumed"] is False
        assert row["train_seconds"] > 0 and row["validation_seconds"] > 0


def test_the_weights_of_the_first_best_epoch_are_kept(train, tmp_path):
    recorder = train({"val_accuracy": 0.5}, {"val_accuracy": 0.7}, {"val_accuracy": 0.7}, {"val_accuracy": 0.6})
    assert (recorder.history.best_epoch, recorder.history.best_val_accuracy) == (2, 0.7)
    assert [path.name for path in tmp_path.glob("*.weights.h5")] == ["best-2.weights.h5"]


@pytest.fixture
def saved_epochs(monkeypatch) -> list[int]:
    """How many epochs each checkpoint held, in the order in which they were written."""
    epochs, save = [], Checkpoint.save

    def record(checkpoint, model, history):
        epochs.append(len(history["epoch_rows"]))
        save(checkpoint, model, history)

    monkeypatch.setattr(Checkpoint, "save", record)
    return epochs


def test_a_checkpoint_is_written_when_the_last_one_is_old_enough_and_at_the_end(train, saved_epochs):
    seconds = itertools.count(step=25)  # the clock is read once per epoch, and once per checkpoint
    train(*5 * [{"val_accuracy": 0.5}], checkpoint_seconds=60, clock=lambda: next(seconds))
    assert saved_epochs == [3, 5]


def test_no_checkpoint_is_written_twice(train, saved_epochs):
    train({"val_accuracy": 0.5}, {"val_accuracy": 0.6})
    assert saved_epochs == [1, 2]


def test_weights_that_are_written_later_are_those_of_the_best_epoch(train, tmp_path):
    rows = [{"val_accuracy": 0.5}, {"val_accuracy": 0.7}, {"val_accuracy": 0.6}, {"val_accuracy": 0.4}]
    weights = {}
    for seconds in (0, 3600):
        keras.utils.set_random_seed(0)
        recorder = train(*rows, checkpoint_seconds=seconds)
        last = recorder.classifier.get_weights()
        recorder.classifier.load_weights(tmp_path / "best-2.weights.h5")
        weights[seconds] = recorder.classifier.get_weights()
        assert any(np.any(best != end) for best, end in zip(weights[seconds], last, strict=True))
    for early, late in zip(weights[0], weights[3600], strict=True):
        np.testing.assert_array_equal(early, late)


def test_writing_the_best_weights_does_not_change_the_training(train):
    rows = [{"val_accuracy": 0.9}, {"val_accuracy": 0.5}, {"val_accuracy": 0.4}]
    losses = []
    for seconds in (0, 3600):
        keras.utils.set_random_seed(0)
        losses.append([row["loss"] for row in train(*rows, checkpoint_seconds=seconds).history.epoch_rows])
    assert losses[0] == losses[1] and losses[0][2] < losses[0][0]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_run_whose_loss_is_not_finite_stops_without_saving_that_epoch(train, tmp_path, loss):
    recorder = train({"val_accuracy": 0.5}, {"val_accuracy": 0.9, "loss": loss}, {"val_accuracy": 0.6})
    assert recorder.diverged and recorder.history.epochs == 2
    assert recorder.history.best_epoch == 1
    assert [path.name for path in tmp_path.glob("*.weights.h5")] == ["best-1.weights.h5"]


def test_the_first_epoch_after_a_resumption_is_marked(train):
    saved = train({"val_accuracy": 0.5}).history.snapshot()
    history = train({"val_accuracy": 0.5}, {"val_accuracy": 0.6}, {"val_accuracy": 0.7}, saved=saved).history
    assert [row["resumed"] for row in history.epoch_rows] == [False, True, False]


def test_compilations_count_from_the_second_epoch_of_the_process(train):
    assert train({"val_accuracy": 0.5}).recompilations() is None
    assert train({"val_accuracy": 0.5}, {"val_accuracy": 0.6}).recompilations() == 0


def test_a_compilation_after_the_first_epoch_is_an_error(train, monkeypatch):
    count = itertools.count()
    monkeypatch.setattr(current_backend(), "compilations", lambda: next(count))
    with pytest.raises(NotAsPlannedError, match="in epoch"):
        train({"val_accuracy": 0.5}, {"val_accuracy": 0.6})


@pytest.mark.parametrize("callback", [RunRecorder, EpochOrder, BlockClock])
def test_a_callback_of_a_timed_fit_overrides_no_per_batch_method(callback):
    """Keras synchronises with the device after each step for a callback that overrides one."""
    base = keras.callbacks.Callback
    per_batch = [name for name, _ in inspect.getmembers(base) if "batch" in name]
    assert "on_train_batch_end" in per_batch and "on_test_batch_end" in per_batch
    assert [name for name in per_batch if getattr(callback, name) is not getattr(base, name)] == []
