"""The callback of a run: what is timed, recorded and saved at each epoch, and when the run stops."""

import time
from collections.abc import Callable

import keras
import numpy as np

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

    def __init__(
        self,
        classifier: keras.Model,
        checkpoint: Checkpoint,
        history: RunHistory,
        bar: ProgressBar,
        checkpoint_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.classifier, self.checkpoint, self.history, self.bar = classifier, checkpoint, history, bar
        self.checkpoint_seconds, self.clock = checkpoint_seconds, clock
        self.diverged = False
        self._written_at = clock()
        self._unwritten_epochs = 0
        self._unwritten_best: list[np.ndarray] | None = None
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
        if self._unwritten_epochs:
            self._write()
        self.bar.close()

    def recompilations(self) -> int | None:
        """The number of compilations after the first epoch of this process; None if it trained no further epoch."""
        if self._compilations is None or self.history.epochs <= self._epochs_before + 1:
            return None
        return self._compilations.count()

    def _save(self, row: dict) -> None:
        """Keeps the weights of the best epoch, and writes them and a checkpoint if the last one is old enough.

        A checkpoint holds the weights three times, which may take longer to write than a GPU takes for an epoch.
        """
        history = self.history
        if history.best_val_accuracy is None or row["val_accuracy"] > history.best_val_accuracy:
            history.best_epoch, history.best_val_accuracy = row["epoch"], row["val_accuracy"]
            self._unwritten_best = self._copy_weights()
        self._unwritten_epochs += 1
        if self.clock() - self._written_at >= self.checkpoint_seconds:
            self._write()

    def _write(self) -> None:
        if self._unwritten_best is not None:
            assert self.history.best_epoch is not None
            current = self._copy_weights()
            self._set_weights(self._unwritten_best)
            with atomic_write(self.checkpoint.best_weights(self.history.best_epoch)) as path:
                self.classifier.save_weights(path)
            self._set_weights(current)
        self.checkpoint.save(self.model, self.history.snapshot())
        self._written_at, self._unwritten_epochs, self._unwritten_best = self.clock(), 0, None

    def _copy_weights(self) -> list[np.ndarray]:
        return [np.array(keras.ops.convert_to_numpy(weight)) for weight in self.classifier.weights]

    def _set_weights(self, values: list[np.ndarray]) -> None:
        for weight, value in zip(self.classifier.weights, values, strict=True):
            weight.assign(value)
