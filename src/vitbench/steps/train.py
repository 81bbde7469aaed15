"""train: trains one run from the shared initial weights and tests its best epoch."""

import hashlib
import shutil
from pathlib import Path

import keras

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.config.schema import Config
from vitbench.data.batches import Batches, EpochOrder, even_batches
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import audit_model, check_execution
from vitbench.execution.identity import describe_job
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.execution.plans import load_plan
from vitbench.execution.workload import Workload, load_workload
from vitbench.measure.timing import time_first_step
from vitbench.parity.gate import check_gate
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.predictions import save_predictions
from vitbench.results.writers import build_run_record, write_run
from vitbench.system.files import atomic_write
from vitbench.system.logs import ProgressBar, log, notify
from vitbench.training.callbacks import RunRecorder
from vitbench.training.checkpoint import Checkpoint
from vitbench.training.history import RunHistory
from vitbench.training.optimizers import build_optimizer


def run(config: Config, results: Results, job: Job, startup: dict[str, float]) -> str:
    """Trains `job` and returns its status, completed or diverged. Raises GatedError if parity failed.

    startup: the seconds that `start_backend` returned. An interrupted run is resumed from its last checkpoint.
    """
    warning = check_gate(config, results, job)
    plan = load_plan(results, job)
    checkpoint = Checkpoint(results.checkpoint(*job.run_key), _describe_run(config, results, job, plan))
    with checkpoint.exclusive():
        result = checkpoint.finished_result()
        if result and _best_weights(results, job).exists():
            notify(f"train {job} has already finished; delete {checkpoint.directory} to train it again")
        else:
            for path in (_best_weights(results, job), results.predictions(*job.run_key)):
                path.unlink(missing_ok=True)  # so that files of an earlier run are not mistaken for those of this one
            result = _train(config, results, job, plan, checkpoint, startup)
            result["row"]["error"] = result["row"]["error"] or warning
            checkpoint.finish(result)
        write_run(results, job, **result)
    return result["row"]["status"]


def _best_weights(results: Results, job: Job) -> Path:
    return results.run(*job.run_key) / "best.weights.h5"


def _describe_run(config: Config, results: Results, job: Job, plan: Plan) -> dict:
    """Everything that decides the numbers of a run."""
    assert job.seed is not None
    with results.init(job.model, job.seed).open("rb") as file:
        initial_weights = hashlib.file_digest(file, "sha256").hexdigest()
    return {**describe_job(config, results, job, plan), "initial weights": initial_weights}


def _train(
    config: Config, results: Results, job: Job, plan: Plan, checkpoint: Checkpoint, startup: dict[str, float]
) -> dict:
    """Trains the run, saves its best weights and predictions, and returns its record; see `build_run_record`."""
    assert job.seed is not None
    current_backend().set_seed(job.seed)
    workload = load_workload(config, results, job.model, job.seed)
    parts, batch_size, epochs = workload.parts, config.training.batch_size, config.model_epochs(job.model)
    images = len(workload.train[0])
    model = assemble(parts, plan, build_optimizer(config.training, epochs, images))
    batches = build_input_pipeline(Batches(*workload.train, batch_size, seed=job.seed), plan, parts)
    first_step_seconds = time_first_step(model, batches)
    check_execution(model)
    log.info("first step took %.2f s; plan %s; audit %s", first_step_seconds, plan, audit_model(model))
    history = RunHistory.begin(checkpoint.resume(model), startup | {"first_step_seconds": first_step_seconds})
    bar = ProgressBar(f"train {job}", epochs, "epoch", history.epochs)
    recorder = RunRecorder(parts.classifier, checkpoint, history, bar, config.training.checkpoint_seconds)
    model.fit(
        batches.fit_input(),
        initial_epoch=history.epochs,
        epochs=epochs,
        validation_data=even_batches(*workload.validation, max_batch_size=batch_size),
        shuffle=False,
        callbacks=[EpochOrder(batches), recorder],
        verbose=0,
    )
    # Counted before the test, whose batches may have another size and so be compiled.
    recompilations = recorder.recompilations()
    values = {
        "parameters": parts.classifier.count_params(),
        "best_epoch": history.best_epoch,
        "best_val_accuracy": history.best_val_accuracy,
        "error": None,
    }
    if history.best_epoch is not None:
        best = checkpoint.best_weights(history.best_epoch)
        parts.classifier.load_weights(best)
        values |= _test(results, job, model, workload, batch_size)
        with atomic_write(_best_weights(results, job)) as path:
            shutil.copyfile(best, path)
    audit = audit_model(model)
    for key in ("jit_compile_effective", "tf32_effective", "keras_version", "backend_version"):
        values[key] = audit[key]
    history.snapshot()
    values |= history.summary_columns(images)
    audit |= {"plan": plan.as_dict(), "seed": job.seed, "compilations_while_timed": recompilations}
    values["audit"] = audit | {"sessions": history.sessions}
    if recorder.diverged:
        values["error"] = f"loss became NaN or infinite in epoch {history.epochs}"
    status = "diverged" if recorder.diverged else "completed"
    return build_run_record(config, job, status, values, history.epoch_rows)


def _test(results: Results, job: Job, model: keras.Model, workload: Workload, batch_size: int) -> dict:
    """Evaluates the model on the test images, saves its predictions and returns the test columns of tables/runs."""
    batches = even_batches(*workload.test, max_batch_size=batch_size)
    test = model.evaluate(batches, return_dict=True, verbose=0)
    save_predictions(results.predictions(*job.run_key), model.predict(batches, verbose=0))
    return {f"test_{name}": float(value) for name, value in test.items()}
