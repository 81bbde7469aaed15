"""How the report describes what was done: the method, the result of the parity check, and the time it took."""

import pandas as pd

from vitbench.analysis.startup import PAUSE_SECONDS, busy_and_idle_seconds
from vitbench.config.schema import Config
from vitbench.config.training import Training
from vitbench.formatting import format_count, format_number, format_percent, format_share, join_words

_NATIVE = (
    " Native is the Vision Transformer written in JAX or PyTorch without Keras, with the same weights, batches and "
    "optimiser. In deterministic mode its logits, gradients and losses must pass the same comparisons. It computes no "
    "metrics."
)
_OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD with momentum", "lion": "Lion"}


def describe_method(config: Config, manifest: dict) -> list[str]:
    """How the experiment was done, one paragraph per topic. manifest: the content of data/manifest.json."""
    return [
        f"Data: {_describe_data(config, manifest)}",
        f"Training: {_describe_training(config)}",
        f"Throughput: {_describe_throughput(config)}",
        f"Execution modes: {_describe_executions(config)}",
        f"Statistics: {_describe_statistics(config)}",
    ]


def _describe_data(config: Config, manifest: dict) -> str:
    shape = " × ".join(str(n) for n in manifest.get("image_shape", []))
    common = manifest.get("test_images_in_train") or 0
    overlap = f" {format_number(common)} of the test images are also among the training images." if common else ""
    return (
        f"{config.dataset.name}, with {format_number(manifest.get('train_images'))} training images, of which the last "
        f"{format_percent(config.dataset.validation_fraction)} are held out for validation, and "
        f"{format_number(manifest.get('test_images'))} test images. An image has {shape} values.{overlap}"
    )


def _describe_training(config: Config) -> str:
    models = config.models.parameters()
    epochs = [f"{format_count(config.model_epochs(model), 'epoch')} for {model}" for model in models]
    seeds = f"{'seeds' if len(config.seeds) > 1 else 'seed'} {join_words([str(seed) for seed in config.seeds])}"
    return (
        f"{join_words(epochs)}, batch size {config.training.batch_size}, {_describe_optimizer(config.training)}, "
        f"{seeds}. Every backend starts from the same weights. The weights of the epoch with the best validation "
        "accuracy are evaluated on the test images."
    )


def _describe_optimizer(training: Training) -> str:
    optimizer, schedule = training.optimizer, training.schedule
    rate = f"learning rate {optimizer.learning_rate:g}"
    if schedule.warmup_epochs:
        rate += f" after a warm-up of {schedule.warmup_epochs:g} epochs"
    if schedule.name == "cosine":
        rate += f", cosine decay to {format_percent(schedule.final_fraction)} of it"
    multiplied = "not multiplied" if optimizer.decay == "independent" else "multiplied"
    decay = f"weight decay {optimizer.weight_decay:g}, {multiplied} by the learning rate"
    return f"{_OPTIMIZERS[optimizer.name]} ({rate}; {decay})"


def _describe_throughput(config: Config) -> str:
    timed = config.throughput
    return (
        f"after the first step, repetitions of {format_count(timed.warmup_steps, 'warm-up step')} follow until they "
        f"get no faster. Then {timed.blocks} blocks are timed, each of at least {timed.steps_per_block} steps and "
        f"about {format_number(timed.block_seconds)} s. A block has fewer steps if it would otherwise last longer than "
        f"{format_number(timed.longest_block_seconds)} s. The device is synchronised at the end of each block, and the "
        f"speed is the median over blocks. This is repeated in {_describe_rounds(config)}, each in a fresh process. "
        "The configurations take turns, in a new random order in each round. Nothing else is timed on the device "
        "meanwhile."
    )


def _describe_rounds(config: Config) -> str:
    exceptions = [f"{name}: {rounds}" for name, rounds in config.throughput.rounds_by_execution.items()]
    return format_count(config.throughput.rounds, "round") + (f" ({', '.join(exceptions)})" if exceptions else "")


def _describe_executions(config: Config) -> str:
    native = _NATIVE if "native" in config.executions.throughput else ""
    return (
        "published is the Keras example exactly as written. Tuned is the same mathematics, executed by the plan with "
        "the least predicted time for the configured epochs, startup included, among the candidates that were timed "
        f"within {format_number(config.tuning.budget_seconds)} seconds.{native}"
    )


def _describe_statistics(config: Config) -> str:
    settings = config.statistics
    return (
        "accuracies are compared over runs with the same seed, by t tests for which the seeds and the test images are "
        "samples, and the logarithms of speeds by paired t tests over rounds. "
        f"The confidence level is {format_percent(settings.confidence)}. Accuracies that "
        f"are shown to differ by less than {format_share(settings.equivalence_margin)}, and speeds that are shown to "
        f"differ by less than {format_percent(settings.speed_margin)}, count as equivalent."
    )


def summarize_parity(parity: pd.DataFrame, config: Config) -> str:
    """How many comparisons passed, how much of its tolerance the closest one used, and what was not compared."""
    if parity.empty:
        return "Nothing was compared, because the parity step wrote no result."
    failed = parity[~parity["passed"].fillna(False).astype(bool)]
    total = format_count(len(parity), "comparison")
    if len(failed):
        names = sorted({f"{row.model} on {row.backend}" for row in failed.itertuples()})
        result = f"{len(failed)} of {total} failed: {join_words(names)}."
    else:
        used = (parity["max_rel_difference"] / parity["tolerance"]).max()
        passed = f"All {total}" if len(parity) > 1 else "The only comparison"
        result = f"{passed} passed; the largest difference uses {format_percent(used)} of its tolerance."
    return " ".join([result, *_describe_missing_comparisons(parity, config)])


def _describe_missing_comparisons(parity: pd.DataFrame, config: Config) -> list[str]:
    """Sentences about the backends that were not compared, or not with the reference backend."""
    pairs = config.model_backends()
    pairs = [(model, backend) for model, backend in pairs if backend != config.reference_backend(model)]
    compared = set(zip(parity["model"], parity["backend"], strict=True))
    by_numpy = parity["reference_backend"].eq("numpy").groupby([parity["model"], parity["backend"]]).all()
    missing = [f"{model} on {backend}" for model, backend in pairs if (model, backend) not in compared]
    only_numpy = [f"{model} on {backend}" for model, backend in pairs if by_numpy.get((model, backend), False)]
    remarks = [f"Not compared: {join_words(missing)}."] if missing else []
    if only_numpy:
        names = join_words(only_numpy)
        remarks.append(f"Compared only with NumPy, because the reference backend failed: {names}.")
    return remarks


def summarize_time(jobs: pd.DataFrame) -> str:
    """How long the commands of the experiment took, and how much time the workflow itself added."""
    if jobs.empty:
        return "No command recorded when it ran."
    busy, idle = busy_and_idle_seconds(jobs)
    return (
        f"Commands ran for {format_number(busy)} seconds. For another {format_number(idle)} seconds between them, "
        "none ran; this is the overhead of the workflow. Pauses of more than "
        f"{format_number(PAUSE_SECONDS / 60)} minutes are not counted: either nobody ran the workflow, or its jobs "
        "waited in a cluster's queue."
    )
