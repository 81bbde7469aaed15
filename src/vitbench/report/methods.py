"""How the report says what was done: the method, and the proof that the compared things are the same."""

import pandas as pd

from vitbench.analysis.startup import PAUSE_SECONDS, busy_and_idle_seconds
from vitbench.config.schema import Config
from vitbench.config.training import Training
from vitbench.formatting import format_count, format_number, format_percent, format_share, join_words

_NATIVE = (
    " Native is the Vision Transformer written in JAX or PyTorch alone, with the same weights, batches and optimiser. "
    "Its logits, gradients and losses pass the same comparisons, augmentation and dropout off; it computes no metrics."
)


def describe_method(config: Config, manifest: dict) -> list[str]:
    """How it was measured, a paragraph per item."""
    timed, training = config.throughput, config.training
    shape = " × ".join(str(n) for n in manifest.get("image_shape", []))
    epochs = [
        f"{format_count(config.model_epochs(model), 'epoch')} for {model}" for model in config.models.parameters()
    ]
    margin, confidence = (
        format_share(config.statistics.equivalence_margin),
        format_percent(config.statistics.confidence),
    )
    return [
        f"Data: {config.dataset.name}, {format_number(manifest.get('train_images'))} training images, of which the last "
        f"{format_percent(config.dataset.validation_fraction)} are held out for validation, and "
        f"{format_number(manifest.get('test_images'))} test images of {shape} values.{_overlap(manifest)}",
        f"Training: {join_words(epochs)}, batch size {training.batch_size}, {_optimizer(training)}, "
        f"{'seeds' if len(config.seeds) > 1 else 'seed'} {join_words([str(seed) for seed in config.seeds])}. Every backend "
        "starts from the same weights; the weights of the best validation accuracy are evaluated on the test images.",
        f"Throughput: after the first step, rounds of {format_count(timed.warmup_steps, 'warm-up step')} until they get no "
        f"faster; then {timed.blocks} blocks of at least {timed.steps_per_block} steps and about "
        f"{format_number(timed.block_seconds)} seconds, or as many steps as last {format_number(timed.longest_block_seconds)} s if "
        "that is fewer, the device synchronised at the end of each. Each batch size has a process of its own, and "
        "nothing else was timed on the device meanwhile.",
        "Execution: published is the Keras example's graph exactly as written. Tuned is the same mathematics, executed "
        "in the way that had the least predicted time for the configured epochs, cold cost included, among candidates "
        f"timed within {format_number(config.tuning.budget_seconds)} seconds."
        + (_NATIVE if "native" in config.executions.throughput else ""),
        f"Statistics: runs of the same seed are paired; intervals cover {confidence}. Accuracies closer than {margin} "
        "count as equivalent.",
    ]


def _overlap(manifest: dict) -> str:
    common = manifest.get("test_images_in_train") or 0
    return f" {format_number(common)} of the test images are also among the training images." if common else ""


def _optimizer(training: Training) -> str:
    optimizer, schedule = training.optimizer, training.schedule
    names = {"adamw": "AdamW", "sgd": "SGD with momentum", "lion": "Lion"}
    words = f"{names[optimizer.name]} with learning rate {optimizer.learning_rate:g}"
    if schedule.warmup_epochs:
        words += f" after a warm-up of {schedule.warmup_epochs:g} epochs"
    if schedule.name == "cosine":
        words += f", falling by a cosine to {format_percent(schedule.final_fraction)} of it,"
    by = "not multiplied" if optimizer.decay == "independent" else "multiplied"
    return f"{words} and weight decay {optimizer.weight_decay:g}, {by} by the learning rate"


def summarize_parity(parity: pd.DataFrame, config: Config) -> str:
    """How many comparisons of the gate passed, how near the nearest came to its tolerance, and who is in none."""
    if parity.empty:
        return "Nothing was compared: the parity step left no result."
    failed = parity[~parity["passed"].fillna(False).astype(bool)]
    used = (parity["max_rel_difference"] / parity["tolerance"]).max()
    total, there = format_count(len(parity), "comparison"), set(zip(parity["model"], parity["backend"], strict=True))
    absent = [
        f"{m} on {b}" for m, b in config.model_backends() if (m, b) not in there and b != config.reference_backend(m)
    ]
    without = f" Without any comparison: {join_words(absent)}." if absent else ""
    by_numpy = parity.assign(numpy=parity["reference_backend"] == "numpy").groupby(["model", "backend"])["numpy"].all()
    halved = [f"{m} on {b}" for m, b in by_numpy[by_numpy].index if b != config.reference_backend(m)]
    without += f" With NumPy alone, since the reference failed: {join_words(halved)}." if halved else ""
    if len(failed):
        names = join_words(sorted({f"{r.model} on {r.backend}" for r in failed.itertuples()}))
        return f"{len(failed)} of {total} failed: {names}.{without}"
    return f"Every one of {total} passed; the largest difference uses {format_percent(used)} of its tolerance.{without}"


def summarize_time(jobs: pd.DataFrame) -> str:
    """How long the experiment took, and how much of that the workflow itself."""
    if jobs.empty:
        return "No command said when it ran."
    busy, idle = busy_and_idle_seconds(jobs)
    return (
        f"In {format_number(busy)} seconds commands ran. In {format_number(idle)} seconds between them none did, which is the "
        f"workflow's own time; pauses of more than {format_number(PAUSE_SECONDS / 60)} minutes are not counted, since nobody "
        "had it run, or a cluster's queue was long."
    )
