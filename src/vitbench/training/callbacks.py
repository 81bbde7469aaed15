"""TODO."""

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
    """Keeps the history, the clock of each epoch, the best weights and a checkpoint; stops if the loss is no number.

    It overrides no per-batch method, since one that does forces the device to be synchronised at each step.
    """

    def __init__(self, classifier: keras.Model, checkpoint: Checkpoint, journal: RunHistory, bar: ProgressBar):
        super().__init__()
        self.classifier, self.checkpoint, self.journal, self.bar = classifier, checkpoint, journal, bar
        self.diverged = False
        self._begun_with = journal.epochs
        self._compilations: CompilationWatch | None = None

    def on_epoch_begin(self, epoch, logs=None):
        current_backend().synchronize()
        self._began = time.perf_counter()

    def on_test_begin(self, logs=None):
        current_backend().synchronize()
        self._trained = time.perf_counter()

    def on_test_end(self, logs=None):
        current_backend().synchronize()
        self._validated = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        journal = self.journal
        row = {name: float(value) for name, value in logs.items()} | {
            "epoch": epoch + 1,
            "train_seconds": self._trained - self._began,
            "validation_seconds": self._validated - self._trained,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "resumed": 0 < epoch == self._begun_with,
        }
        journal.history.append({name: row[name] for name in EPOCH_COLUMNS})
        if self._compilations is None:  # the first epoch still compiles the smaller last batch and the validation step
            self._compilations = CompilationWatch()
        self._compilations.check(f"in epoch {row['epoch']}")
        if replace_nonfinite(row)["loss"] is None:
            self.diverged = self.model.stop_training = True
        else:
            self._keep(row)
        self.bar.advance(loss=row["loss"], val_accuracy=row["val_accuracy"])

    def _keep(self, row: dict) -> None:
        journal = self.journal
        if journal.best_val_accuracy is None or row["val_accuracy"] > journal.best_val_accuracy:
            journal.best_epoch, journal.best_val_accuracy = row["epoch"], row["val_accuracy"]
            with atomic_write(self.checkpoint.best_weights(row["epoch"])) as path:
                self.classifier.save_weights(path)
        self.checkpoint.keep(self.model, journal.told())

    def recompilations(self) -> int | None:
        """How often something was compiled after the first epoch of this process; None if that was its only one."""
        return self._compilations.count() if self.journal.epochs > self._begun_with + 1 else None

    def on_train_end(self, logs=None):
        self.bar.close()
