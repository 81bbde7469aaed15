"""How the report says what was done: the method, and the proof that the compared things are the same."""

import pandas as pd

from vitbench.coldstart import PAUSE_SECONDS, between_commands
from vitbench.config import Config
from vitbench.config.training import Training
from vitbench.numerals import counted, listed, number, percent, share

_NATIVE = (
    " Native is the Vision Transformer written in JAX or PyTorch alone, with the same weights, batches and optimiser. "
    "Its logits, gradients and losses pass the same comparisons, augmentation and dropout off; it computes no metrics."
)


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
        f"Throughput: after the first step, rounds of {counted(timed.warmup_steps, 'warm-up step')} until they get no "
        f"faster; then {timed.blocks} blocks of at least {timed.steps_per_block} steps and about "
        f"{number(timed.block_seconds)} seconds, or as many steps as last {number(timed.longest_block_seconds)} s if "
        "that is fewer, the device synchronised at the end of each. Each batch size has a process of its own, and "
        "nothing else was timed on the device meanwhile.",
        "Execution: published is the Keras example's graph exactly as written. Tuned is the same mathematics, executed "
        "in the way that had the least predicted time for the configured epochs, cold cost included, among candidates "
        f"timed within {number(config.tuning.budget_seconds)} seconds."
        + (_NATIVE if "native" in config.executions.throughput else ""),
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


def sameness(parity: pd.DataFrame, config: Config) -> str:
    """How many comparisons of the gate passed, how near the nearest came to its tolerance, and who is in none."""
    if parity.empty:
        return "Nothing was compared: the parity step left no result."
    failed = parity[~parity["passed"].fillna(False).astype(bool)]
    used = (parity["max_rel_difference"] / parity["tolerance"]).max()
    total, there = counted(len(parity), "comparison"), set(zip(parity["model"], parity["backend"], strict=True))
    absent = [f"{m} on {b}" for m, b in config.contestants() if (m, b) not in there and b != config.reference_of(m)]
    without = f" Without any comparison: {listed(absent)}." if absent else ""
    by_numpy = parity.assign(numpy=parity["reference_backend"] == "numpy").groupby(["model", "backend"])["numpy"].all()
    halved = [f"{m} on {b}" for m, b in by_numpy[by_numpy].index if b != config.reference_of(m)]
    without += f" With NumPy alone, since the reference failed: {listed(halved)}." if halved else ""
    if len(failed):
        names = listed(sorted({f"{r.model} on {r.backend}" for r in failed.itertuples()}))
        return f"{len(failed)} of {total} failed: {names}.{without}"
    return f"Every one of {total} passed; the largest difference uses {percent(used)} of its tolerance.{without}"


def time_spent(jobs: pd.DataFrame) -> str:
    """How long the experiment took, and how much of that the workflow itself."""
    if jobs.empty:
        return "No command said when it ran."
    busy, idle = between_commands(jobs)
    return (
        f"In {number(busy)} seconds commands ran. In {number(idle)} seconds between them none did, which is the "
        f"workflow's own time; pauses of more than {number(PAUSE_SECONDS / 60)} minutes are not counted, since nobody "
        "had it run, or a cluster's queue was long."
    )
