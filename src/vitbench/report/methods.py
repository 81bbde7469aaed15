"""How the report describes what was done: the method, the result of parity, and the time that it took."""

import pandas as pd

from vitbench.analysis.startup import PAUSE_SECONDS, busy_and_idle_seconds
from vitbench.config.schema import Config
from vitbench.config.training import Training
from vitbench.formatting import format_count, format_number, format_percent, format_share, join_words

_NATIVE = (
    " Native is the Vision Transformer written in JAX or PyTorch alone, with the same weights, batches and optimiser. "
    "In deterministic mode its logits, gradients and losses pass the same comparisons. It computes no metrics."
)


def describe_method(config: Config, manifest: dict) -> list[str]:
    """How the experiment was measured, one paragraph per item."""
    native = _NATIVE if "native" in config.executions.throughput else ""
    return [
        f"Data: {_describe_data(config, manifest)}",
        f"Training: {_describe_training(config)}",
        f"Throughput: {_describe_throughput(config)}",
        "Execution modes: published is the Keras example exactly as written. Tuned is the same mathematics, executed "
        "by the plan with the least predicted time for the configured epochs, startup included, among the candidates "
        f"that were timed within {format_number(config.tuning.budget_seconds)} seconds.{native}",
        f"Statistics: {_describe_statistics(config)}",
    ]


def _describe_statistics(config: Config) -> str:
    confidence = format_percent(config.statistics.confidence)
    margin = format_share(config.statistics.equivalence_margin)
    return (
        f"runs of the same seed are paired; intervals cover {confidence}. Accuracies that differ by less than {margin} "
        "count as equivalent."
    )


def _describe_data(config: Config, manifest: dict) -> str:
    shape = " × ".join(str(n) for n in manifest.get("image_shape", []))
    common = manifest.get("test_images_in_train") or 0
    overlap = f" {format_number(common)} of the test images are also among the training images." if common else ""
    return (
        f"{config.dataset.name}, {format_number(manifest.get('train_images'))} training images, of which the last "
        f"{format_percent(config.dataset.validation_fraction)} are held out for validation, and "
        f"{format_number(manifest.get('test_images'))} test images of {shape} values.{overlap}"
    )


def _describe_training(config: Config) -> str:
    models = config.models.parameters()
    epochs = [f"{format_count(config.model_epochs(model), 'epoch')} for {model}" for model in models]
    seeds = f"{'seeds' if len(config.seeds) > 1 else 'seed'} {join_words([str(seed) for seed in config.seeds])}"
    return (
        f"{join_words(epochs)}, batch size {config.training.batch_size}, {_describe_optimizer(config.training)}, "
        f"{seeds}. Every backend starts from the same weights. The weights with the best validation accuracy are "
        "evaluated on the test images."
    )


def _describe_throughput(config: Config) -> str:
    timed = config.throughput
    return (
        f"after the first step, repetitions of {format_count(timed.warmup_steps, 'warm-up step')} until they get no "
        f"faster; then {timed.blocks} blocks of at least {timed.steps_per_block} steps and about "
        f"{format_number(timed.block_seconds)} seconds, or fewer steps if a block would last longer than "
        f"{format_number(timed.longest_block_seconds)} s. The device is synchronised at the end of each block. Each "
        "batch size is measured in a process of its own, and nothing else is timed on the device meanwhile."
    )


def _describe_optimizer(training: Training) -> str:
    optimizer, schedule = training.optimizer, training.schedule
    names = {"adamw": "AdamW", "sgd": "SGD with momentum", "lion": "Lion"}
    text = f"{names[optimizer.name]} with learning rate {optimizer.learning_rate:g}"
    if schedule.warmup_epochs:
        text += f" after a warm-up of {schedule.warmup_epochs:g} epochs"
    if schedule.name == "cosine":
        text += f", falling by a cosine to {format_percent(schedule.final_fraction)} of it,"
    multiplied = "not multiplied" if optimizer.decay == "independent" else "multiplied"
    return f"{text} and weight decay {optimizer.weight_decay:g}, {multiplied} by the learning rate"


def summarize_parity(parity: pd.DataFrame, config: Config) -> str:
    """How many comparisons passed, how much of its tolerance the closest one used, and what was not compared."""
    if parity.empty:
        return "Nothing was compared: the parity step left no result."
    failed = parity[~parity["passed"].fillna(False).astype(bool)]
    used = (parity["max_rel_difference"] / parity["tolerance"]).max()
    total = format_count(len(parity), "comparison")
    compared = set(zip(parity["model"], parity["backend"], strict=True))
    others = [
        (model, backend) for model, backend in config.model_backends() if backend != config.reference_backend(model)
    ]
    missing = [f"{model} on {backend}" for model, backend in others if (model, backend) not in compared]
    remarks = f" Not compared: {join_words(missing)}." if missing else ""
    by_numpy = parity.assign(numpy=parity["reference_backend"] == "numpy").groupby(["model", "backend"])["numpy"].all()
    alone = [f"{model} on {backend}" for model, backend in by_numpy[by_numpy].index if (model, backend) in others]
    if alone:
        remarks += f" Compared with NumPy alone, because the reference backend failed: {join_words(alone)}."
    if len(failed):
        names = join_words(sorted({f"{row.model} on {row.backend}" for row in failed.itertuples()}))
        return f"{len(failed)} of {total} failed: {names}.{remarks}"
    return f"All of {total} passed; the largest difference uses {format_percent(used)} of its tolerance.{remarks}"


def summarize_time(jobs: pd.DataFrame) -> str:
    """How long the commands of the experiment took, and how much of the time was the workflow's own."""
    if jobs.empty:
        return "No command recorded when it ran."
    busy, idle = busy_and_idle_seconds(jobs)
    return (
        f"Commands ran for {format_number(busy)} seconds. For {format_number(idle)} seconds between them none did, "
        f"which is the time of the workflow itself; pauses of more than {format_number(PAUSE_SECONDS / 60)} minutes, "
        "in which nobody ran the workflow or a cluster's queue was long, are not counted."
    )
