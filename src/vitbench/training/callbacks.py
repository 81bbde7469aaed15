"""The callback of a run: what is timed, recorded and saved at each epoch, and when the run stops."""

import time

import keras

from vitbench.backends.process import current_backend
from vitbench.execution.audit import CompilationWatch
from vitbench.results.schema import EPOCH_COLUMNS
from vitbench.results.writers import replace_nonfinite
from vitbench.system.files import atomic_write
from vitbench.system.logs import ProgressBar
from vitbench.training.checkpoint import Checkpoint
from vitbench.training.history import RunHistory


class RunRecorder(keras.callbacks.Callback):
    """Times and records each epoch, saves the best weights and a checkpoint, and stops if the loss is not finite.

    It overrides no per-batch method, because that would make Keras synchronise with the device at each step.
    """

    def __init__(self, classifier: keras.Model, checkpoint: Checkpoint, history: RunHistory, bar: ProgressBar):
        super().__init__()
        self.classifier, self.checkpoint, self.history, self.bar = classifier, checkpoint, history, bar
        self.diverged = False
        self._epochs_before = history.epochs
        self._compilations: CompilationWatch | None = None

    def on_epoch_begin(self, epoch, logs=None):
        current_backend().synchronize()
        self._started = time.perf_counter()

    def on_test_begin(self, logs=None):
        current_backend().synchronize()
        self._trained = time.perf_counter()

    def on_test_end(self, logs=None):
        current_backend().synchronize()
        self._validated = time.perf_counter()

    def on_epoch_end(self, epoch, logs):
        row = {name: float(value) for name, value in logs.items()} | {
            "epoch": epoch + 1,
            "train_seconds": self._trained - self._started,
            "validation_seconds": self._validated - self._trained,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "resumed": 0 < epoch == self._epochs_before,
        }
        self.history.epoch_rows.append({name: row[name] for name in EPOCH_COLUMNS})
        if self._compilations is None:  # the first epoch compiles for the smaller last batch and for validation
            self._compilations = CompilationWatch()
        self._compilations.check(f"in epoch {row['epoch']}")
        if replace_nonfinite(row)["loss"] is None:
            self.diverged = self.model.stop_training = True
        else:
            self._save(row)
        self.bar.advance(loss=row["loss"], val_accuracy=row["val_accuracy"])

    def on_train_end(self, logs=None):
        self.bar.close()

    def recompilations(self) -> int | None:
        """The number of compilations after the first epoch of this process; None if it trained no further epoch."""
        if self._compilations is None or self.history.epochs <= self._epochs_before + 1:
            return None
        return self._compilations.count()

    def _save(self, row: dict) -> None:
        history = self.history
        if history.best_val_accuracy is None or row["val_accuracy"] > history.best_val_accuracy:
            history.best_epoch, history.best_val_accuracy = row["epoch"], row["val_accuracy"]
            with atomic_write(self.checkpoint.best_weights(row["epoch"])) as path:
                self.classifier.save_weights(path)
        self.checkpoint.save(self.model, history.snapshot())
