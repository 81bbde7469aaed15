"""How the report says what was done: the method, and the proof that the compared things are the same."""

import pandas as pd

from vitbench.config import Config
from vitbench.config.training import Training
from vitbench.numerals import counted, listed, number, percent, share


def described(config: Config, manifest: dict) -> list[str]:
    """How it was measured, a paragraph per item."""
    timed, training = config.throughput, config.training
    shape = " × ".join(str(n) for n in manifest.get("image_shape", []))
    epochs = [f"{counted(config.epochs_of(model), 'epoch')} for {model}" for model in config.models.parameters()]
    margin, confidence = share(config.statistics.equivalence_margin), percent(config.statistics.confidence)
    return [
        f"Data: {config.dataset.name}, {number(manifest.get('train_images'))} training images, of which the last "
        f"{percent(config.dataset.validation_fraction)} are held out for validation, and "
        f"{number(manifest.get('test_images'))} test images of {shape} values.{_overlap(manifest)}",
        f"Training: {listed(epochs)}, batch size {training.batch_size}, {_optimizer(training)}, "
        f"{'seeds' if len(config.seeds) > 1 else 'seed'} {listed([str(seed) for seed in config.seeds])}. Every backend "
        "starts from the same weights; the weights of the best validation accuracy are evaluated on the test images.",
        f"Throughput: after the first step and {counted(timed.warmup_steps, 'warm-up step')}, {timed.blocks} blocks "
        f"of at least {timed.steps_per_block} steps and about {number(timed.block_seconds)} seconds, the device "
        "synchronised at the end of each. Nothing else was timed on the device meanwhile.",
        "Execution: published is the Keras example's graph exactly as written. Tuned is the same mathematics, executed "
        "in the way that had the least predicted time for the configured epochs, cold cost included, among candidates "
        f"timed within {number(config.tuning.budget_seconds)} seconds.",
        f"Statistics: runs of the same seed are paired; intervals cover {confidence}. Accuracies closer than {margin} "
        "count as equivalent.",
    ]


def _overlap(manifest: dict) -> str:
    common = manifest.get("test_images_in_train") or 0
    return f" {number(common)} of the test images are also among the training images." if common else ""


def _optimizer(training: Training) -> str:
    optimizer, schedule = training.optimizer, training.schedule
    names = {"adamw": "AdamW", "sgd": "SGD with momentum", "lion": "Lion"}
    words = f"{names[optimizer.name]} with learning rate {optimizer.learning_rate:g}"
    if schedule.warmup_epochs:
        words += f" after a warm-up of {schedule.warmup_epochs:g} epochs"
    if schedule.name == "cosine":
        words += f", falling by a cosine to {percent(schedule.final_fraction)} of it,"
    by = "not multiplied" if optimizer.decay == "independent" else "multiplied"
    return f"{words} and weight decay {optimizer.weight_decay:g}, {by} by the learning rate"


def sameness(parity: pd.DataFrame) -> str:
    """How many comparisons of the gate passed, and how near the nearest came to its tolerance."""
    if parity.empty:
        return "Nothing was compared: the parity step left no result."
    failed = parity[~parity["passed"].fillna(False).astype(bool)]
    used = (parity["max_rel_difference"] / parity["tolerance"]).max()
    total = counted(len(parity), "comparison")
    if len(failed):
        names = listed(sorted({f"{r.model} on {r.backend}" for r in failed.itertuples()}))
        return f"{len(failed)} of {total} failed: {names}."
    return f"Every one of {total} passed; the largest difference uses {percent(used)} of its tolerance."
