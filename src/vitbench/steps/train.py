"""train: one run, from the shared initial weights to the test accuracy of its best epoch."""

import statistics
import time

import keras

from vitbench import execution, models, optimization, timing
from vitbench.config import Config
from vitbench.environment import peak_host_memory_bytes
from vitbench.execution import feeds
from vitbench.feeding import Batches, Epochs, in_even_batches
from vitbench.progress import Bar, log
from vitbench.records import EPOCH_VALUES, Job, finite, gate, write_run
from vitbench.results import Results, read_json, whole
from vitbench.splits import split
from vitbench.steps import init, tune


def run(config: Config, results: Results, job: Job, import_seconds: float) -> str:
    """Trains `job` and returns its status, completed or diverged. Raises records.Gated if parity failed."""
    best_weights = results.run(job.model, job.backend, job.execution, job.precision, job.seed) / "best.weights.h5"
    best_weights.unlink(missing_ok=True)  # an earlier run's must not pass for this one's
    warning = gate(config, results, job)
    execution.set_seed(job.seed)
    parts = models.build(job.model, config.models.parameters()[job.model], read_json(results.manifest))
    init.load(parts, results, job.model, job.seed)
    plan = tune.plan(results, job)
    data = split(results, config.dataset.validation_fraction)
    epochs = config.epochs_of(job.model)
    optimizer = optimization.build(config.training, epochs, len(data["train"][0]))
    model = execution.assemble(parts, plan, optimizer)
    batches = feeds.of(Batches(*data["train"], config.training.batch_size, seed=job.seed), plan, parts)
    first_step_seconds = timing.first_step(model, batches)
    execution.check(model)
    log.info("first step took %.2f s; plan %s; effective %s", first_step_seconds, plan, execution.audit(model))
    record = Record(parts.classifier, best_weights, Bar(f"train {job}", epochs, "epoch"))
    model.fit(
        batches.fed(),
        epochs=epochs,
        validation_data=in_even_batches(*data["validation"], most=config.training.batch_size),
        shuffle=False,
        callbacks=[Epochs(batches), record],
        verbose=0,
    )
    values = {
        "parameters": parts.classifier.count_params(),
        "best_epoch": record.best_epoch,
        "best_val_accuracy": record.best_val_accuracy,
        **_speed(record.history, len(data["train"][0])),
        "first_step_seconds": first_step_seconds,
        "import_seconds": import_seconds,
    }
    if record.best_epoch is not None:
        parts.classifier.load_weights(best_weights)
        test_batches = in_even_batches(*data["test"], most=config.training.batch_size)
        test = model.evaluate(test_batches, return_dict=True, verbose=0)
        values |= {f"test_{name}": float(value) for name, value in test.items()}
    audit = execution.audit(model)
    values |= {k: audit[k] for k in ("jit_compile_effective", "tf32_effective", "keras_version", "backend_version")}
    values["peak_host_memory_bytes"] = peak_host_memory_bytes()
    values["peak_device_memory_bytes"] = execution.peak_device_memory_bytes()
    recompilations = record.compilations.count() if len(record.history) > 1 else None
    audit |= {"plan": plan.as_dict(), "seed": job.seed, "compilations_while_timed": recompilations}
    values["audit"] = audit
    values["error"] = warning
    if record.diverged:
        values["error"] = f"the loss was no number in epoch {len(record.history)}"
    status = "diverged" if record.diverged else "completed"
    write_run(config, results, job, status, values, record.history)
    return status


class Record(keras.callbacks.Callback):
    """Keeps the history, the clock of each epoch and the best weights; stops a run whose loss is no number.

    It overrides no per-batch method, since one that does forces the device to be synchronised at each step.
    """

    def __init__(self, classifier: keras.Model, best_weights, bar: Bar):
        super().__init__()
        self.classifier, self.best_weights, self.bar = classifier, best_weights, bar
        self.history: list[dict] = []
        self.best_epoch: int | None = None
        self.best_val_accuracy: float | None = None
        self.diverged = False
        self.compilations: execution.Compilations | None = None

    def on_epoch_begin(self, epoch, logs=None):
        execution.synchronize()
        self._began = time.perf_counter()

    def on_test_begin(self, logs=None):
        execution.synchronize()
        self._trained = time.perf_counter()

    def on_test_end(self, logs=None):
        execution.synchronize()
        self._validated = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in logs.items()} | {
            "epoch": epoch + 1,
            "train_seconds": self._trained - self._began,
            "validation_seconds": self._validated - self._trained,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
        }
        self.history.append({name: row[name] for name in EPOCH_VALUES})
        if self.compilations is None:  # the first epoch still compiles the smaller last batch and the validation step
            self.compilations = execution.Compilations()
        self.compilations.check(f"in epoch {row['epoch']}")
        if finite(row)["loss"] is None:
            self.diverged = self.model.stop_training = True
        elif self.best_val_accuracy is None or row["val_accuracy"] > self.best_val_accuracy:
            self.best_epoch, self.best_val_accuracy = row["epoch"], row["val_accuracy"]
            with whole(self.best_weights) as path:
                self.classifier.save_weights(path)
        self.bar.advance(loss=row["loss"], val_accuracy=row["val_accuracy"])

    def on_train_end(self, logs=None):
        self.bar.close()


def _speed(history: list[dict], images: int) -> dict:
    """Images per second and epoch seconds, training alone, as medians over the epochs after the first.

    In the first epoch there is still something to compile; a lone epoch is all there is.
    """
    seconds = [row["train_seconds"] for row in history]
    steady = seconds[1:] or seconds
    return {
        "train_images_per_second": statistics.median(images / s for s in steady),
        "epoch_seconds_median": statistics.median(steady),
    }
