"""train: one run, from the shared initial weights to the test accuracy of its best epoch."""

import hashlib
import shutil
from dataclasses import asdict, astuple
from pathlib import Path

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.config.schema import Config
from vitbench.data.batches import Batches, EpochOrder, even_batches
from vitbench.data.splits import load_splits
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import audit_model, check_execution
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.execution.plans import load_plan
from vitbench.execution.workload import load_initial_weights
from vitbench.measure.timing import time_first_step
from vitbench.models.registry import build_model
from vitbench.parity.gate import check_gate
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.predictions import save_predictions
from vitbench.results.writers import build_run_record, write_run
from vitbench.system.environment import COMPUTING, installed_versions
from vitbench.system.files import atomic_write, read_json
from vitbench.system.fingerprint import fingerprint
from vitbench.system.logs import ProgressBar, log, notify
from vitbench.training.callbacks import RunRecorder
from vitbench.training.checkpoint import Checkpoint
from vitbench.training.history import RunHistory
from vitbench.training.optimizers import build_optimizer


def run(config: Config, results: Results, job: Job, import_seconds: float) -> str:
    """Trains `job` and returns its status, completed or diverged. Raises records.Gated if parity failed.

    Goes on from the last finished epoch of an earlier process that did not come to the end.
    """
    warning = check_gate(config, results, job)
    plan = load_plan(results, job)
    checkpoint = Checkpoint(results.checkpoint(*astuple(job)), _identity(config, results, job, plan))
    with checkpoint.alone():
        result = checkpoint.finished()
        if result and _best_weights(results, job).exists():
            notify(f"train {job} had come to its end; delete {checkpoint.directory} to train it anew")
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


def _identity(config: Config, results: Results, job: Job, plan: Plan) -> dict:
    """What decides the numbers of a run."""
    with results.init(job.model, job.seed).open("rb") as file:
        initial_weights = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        **asdict(job),
        "settings": config.relevant_settings("train", job.model),
        "plan": plan.as_dict(),
        "images": read_json(results.manifest)["sha256"],
        "initial weights": initial_weights,
        "code": fingerprint("vitbench.steps.train", *config.custom_modules(job.model)),
        "packages": installed_versions(COMPUTING),
    }


def _trained(
    config: Config, results: Results, job: Job, plan: Plan, checkpoint: Checkpoint, import_seconds: float
) -> dict:
    """The record of the run, as records.run_record makes it, in the course of which its best weights are written."""
    current_backend().set_seed(job.seed)
    parts = build_model(job.model, config.models.parameters()[job.model], read_json(results.manifest))
    load_initial_weights(parts, results, job.model, job.seed)
    data = load_splits(results, config.dataset.validation_fraction)
    epochs, images = config.model_epochs(job.model), len(data["train"][0])
    model = assemble(parts, plan, build_optimizer(config.training, epochs, images))
    batches = build_input_pipeline(Batches(*data["train"], config.training.batch_size, seed=job.seed), plan, parts)
    first_step_seconds = time_first_step(model, batches)
    check_execution(model)
    log.info("first step took %.2f s; plan %s; effective %s", first_step_seconds, plan, audit_model(model))
    journal = RunHistory.of(checkpoint.resume(model), import_seconds, first_step_seconds)
    record = RunRecorder(
        parts.classifier, checkpoint, journal, ProgressBar(f"train {job}", epochs, "epoch", journal.epochs)
    )
    model.fit(
        batches.fit_input(),
        initial_epoch=journal.epochs,
        epochs=epochs,
        validation_data=even_batches(*data["validation"], max_batch_size=config.training.batch_size),
        shuffle=False,
        callbacks=[EpochOrder(batches), record],
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
        test_batches = even_batches(*data["test"], max_batch_size=config.training.batch_size)
        test = model.evaluate(test_batches, return_dict=True, verbose=0)
        values |= {f"test_{name}": float(value) for name, value in test.items()}
        save_predictions(results.predictions(*astuple(job)), model.predict(test_batches, verbose=0))
        with atomic_write(_best_weights(results, job)) as path:
            shutil.copyfile(best, path)
    audit = audit_model(model)
    values |= {k: audit[k] for k in ("jit_compile_effective", "tf32_effective", "keras_version", "backend_version")}
    journal.told()
    values |= journal.columns(images)
    audit |= {"plan": plan.as_dict(), "seed": job.seed, "compilations_while_timed": recompilations}
    values["audit"] = audit | {"sessions": journal.sessions}
    if record.diverged:
        values["error"] = f"the loss was no number in epoch {journal.epochs}"
    status = "diverged" if record.diverged else "completed"
    return build_run_record(config, job, status, values, journal.history)
