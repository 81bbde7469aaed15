"""train: one run, from the shared initial weights to the test accuracy of its best epoch."""

import hashlib
import shutil
import time
from dataclasses import asdict, astuple
from pathlib import Path

import keras

from vitbench import environment, execution, models, optimization, predictions, timing
from vitbench.checkpoint import Checkpoint
from vitbench.config import Config
from vitbench.execution import feeds
from vitbench.feeding import Batches, Epochs, in_even_batches
from vitbench.journal import Journal
from vitbench.progress import Bar, log, say
from vitbench.records import EPOCH_VALUES, Job, finite, gate, run_record, write_run
from vitbench.results import Results, read_json, whole
from vitbench.source_code import fingerprint
from vitbench.splits import split
from vitbench.steps import init, tune


def run(config: Config, results: Results, job: Job, import_seconds: float) -> str:
    """Trains `job` and returns its status, completed or diverged. Raises records.Gated if parity failed.

    Goes on from the last finished epoch of an earlier process that did not come to the end.
    """
    warning = gate(config, results, job)
    plan = tune.plan(results, job)
    checkpoint = Checkpoint(results.checkpoint(*astuple(job)), _identity(config, results, job, plan))
    with checkpoint.alone():
        result = checkpoint.finished()
        if result and _best_weights(results, job).exists():
            say(f"train {job} had come to its end; delete {checkpoint.directory} to train it anew")
        else:
            for path in (_best_weights(results, job), results.predictions(*astuple(job))):
                path.unlink(missing_ok=True)  # an earlier run's must not pass for this one's
            result = _trained(config, results, job, plan, checkpoint, import_seconds)
            result["row"]["error"] = result["row"]["error"] or warning
            checkpoint.finish(result)
        write_run(results, job, **result)
    return result["row"]["status"]


def _best_weights(results: Results, job: Job) -> Path:
    return results.run(*astuple(job)) / "best.weights.h5"


def _identity(config: Config, results: Results, job: Job, plan: execution.Plan) -> dict:
    """What decides the numbers of a run."""
    with results.init(job.model, job.seed).open("rb") as file:
        initial_weights = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        **asdict(job),
        "settings": config.relevant("train", job.model),
        "plan": plan.as_dict(),
        "images": read_json(results.manifest)["sha256"],
        "initial weights": initial_weights,
        "code": fingerprint("vitbench.steps.train", *config.modules_of(job.model)),
        "packages": environment.versions(environment.COMPUTING),
    }


def _trained(
    config: Config, results: Results, job: Job, plan: execution.Plan, checkpoint: Checkpoint, import_seconds: float
) -> dict:
    """The record of the run, as records.run_record makes it, in the course of which its best weights are written."""
    execution.set_seed(job.seed)
    parts = models.build(job.model, config.models.parameters()[job.model], read_json(results.manifest))
    init.load(parts, results, job.model, job.seed)
    data = split(results, config.dataset.validation_fraction)
    epochs, images = config.epochs_of(job.model), len(data["train"][0])
    model = execution.assemble(parts, plan, optimization.build(config.training, epochs, images))
    batches = feeds.of(Batches(*data["train"], config.training.batch_size, seed=job.seed), plan, parts)
    first_step_seconds = timing.first_step(model, batches)
    execution.check(model)
    log.info("first step took %.2f s; plan %s; effective %s", first_step_seconds, plan, execution.audit(model))
    journal = Journal.of(checkpoint.resume(model), import_seconds, first_step_seconds)
    record = Record(parts.classifier, checkpoint, journal, Bar(f"train {job}", epochs, "epoch", journal.epochs))
    model.fit(
        batches.fed(),
        initial_epoch=journal.epochs,
        epochs=epochs,
        validation_data=in_even_batches(*data["validation"], most=config.training.batch_size),
        shuffle=False,
        callbacks=[Epochs(batches), record],
        verbose=0,
    )
    recompilations = record.recompilations()  # before the test images, whose batches may be of another size
    values = {
        "parameters": parts.classifier.count_params(),
        "best_epoch": journal.best_epoch,
        "best_val_accuracy": journal.best_val_accuracy,
        "error": None,
    }
    if journal.best_epoch is not None:
        best = checkpoint.best_weights(journal.best_epoch)
        parts.classifier.load_weights(best)
        test_batches = in_even_batches(*data["test"], most=config.training.batch_size)
        test = model.evaluate(test_batches, return_dict=True, verbose=0)
        values |= {f"test_{name}": float(value) for name, value in test.items()}
        predictions.write(results.predictions(*astuple(job)), model.predict(test_batches, verbose=0))
        with whole(_best_weights(results, job)) as path:
            shutil.copyfile(best, path)
    audit = execution.audit(model)
    values |= {k: audit[k] for k in ("jit_compile_effective", "tf32_effective", "keras_version", "backend_version")}
    journal.told()
    values |= journal.columns(images)
    audit |= {"plan": plan.as_dict(), "seed": job.seed, "compilations_while_timed": recompilations}
    values["audit"] = audit | {"sessions": journal.sessions}
    if record.diverged:
        values["error"] = f"the loss was no number in epoch {journal.epochs}"
    status = "diverged" if record.diverged else "completed"
    return run_record(config, job, status, values, journal.history)


class Record(keras.callbacks.Callback):
    """Keeps the history, the clock of each epoch, the best weights and a checkpoint; stops if the loss is no number.

    It overrides no per-batch method, since one that does forces the device to be synchronised at each step.
    """

    def __init__(self, classifier: keras.Model, checkpoint: Checkpoint, journal: Journal, bar: Bar):
        super().__init__()
        self.classifier, self.checkpoint, self.journal, self.bar = classifier, checkpoint, journal, bar
        self.diverged = False
        self._begun_with = journal.epochs
        self._compilations: execution.Compilations | None = None

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
        journal = self.journal
        row = {name: float(value) for name, value in logs.items()} | {
            "epoch": epoch + 1,
            "train_seconds": self._trained - self._began,
            "validation_seconds": self._validated - self._trained,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "resumed": 0 < epoch == self._begun_with,
        }
        journal.history.append({name: row[name] for name in EPOCH_VALUES})
        if self._compilations is None:  # the first epoch still compiles the smaller last batch and the validation step
            self._compilations = execution.Compilations()
        self._compilations.check(f"in epoch {row['epoch']}")
        if finite(row)["loss"] is None:
            self.diverged = self.model.stop_training = True
        else:
            self._keep(row)
        self.bar.advance(loss=row["loss"], val_accuracy=row["val_accuracy"])

    def _keep(self, row: dict) -> None:
        journal = self.journal
        if journal.best_val_accuracy is None or row["val_accuracy"] > journal.best_val_accuracy:
            journal.best_epoch, journal.best_val_accuracy = row["epoch"], row["val_accuracy"]
            with whole(self.checkpoint.best_weights(row["epoch"])) as path:
                self.classifier.save_weights(path)
        self.checkpoint.keep(self.model, journal.told())

    def recompilations(self) -> int | None:
        """How often something was compiled after the first epoch of this process; None if that was its only one."""
        return self._compilations.count() if self.journal.epochs > self._begun_with + 1 else None

    def on_train_end(self, logs=None):
        self.bar.close()
