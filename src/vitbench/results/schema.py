"""Every table's columns: name, dtype, unit and description, in one place. Readers, writers and docs derive from it."""

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 1  # of the layout of results and of the columns below
FIGURES = ("accuracy", "throughput", "accuracy_over_time", "learning_curves", "patches", "timeline")

Dtype = Literal["text", "integer", "float", "boolean", "time"]


@dataclass(frozen=True)
class Column:
    """One column. unit: empty for names, counts and plain numbers. Every column may hold null."""

    name: str
    dtype: Dtype
    unit: str
    description: str


def _parse(text: str) -> list[Column]:
    """Columns from lines of `name | dtype | unit | description`."""
    rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return [Column(name, dtype, unit, description) for name, dtype, unit, description in rows]  # type: ignore


_CONFIGURATION = """
    model | text | | Name of the model in the config.
    backend | text | | Keras backend.
    execution | text | | Execution mode: published, tuned or native.
    precision | text | | Arithmetic: float32, tf32 or mixed_bfloat16.
"""
_EXPERIMENT = "experiment | text | | Name of the experiment.\n"
_KEYS = f"""
    schema_version | integer | | Version of this schema.
    {_EXPERIMENT}
    dataset | text | | Name of the data set.
    {_CONFIGURATION}
"""
_STATUS = "status | text | | completed, failed, diverged, gated, out_of_memory or missing."
_MEMORY = """
    peak_host_memory_bytes | integer | bytes | Largest resident set of the process, as the kernel counts it.
    peak_device_memory_bytes | integer | bytes | Largest memory on the GPU, as the allocator counts it; null on a CPU.
"""
_TIMES = """
    started_at | time | UTC | When the process started, ISO 8601.
    finished_at | time | UTC | When it finished, ISO 8601.
"""


def _join(*parts: str) -> list[Column]:
    lines = (line for part in parts for line in part.splitlines())
    return _parse("\n".join(line for line in lines if line.strip()))


_HISTORY = """
    epoch | integer | | Number of the epoch, from 1.
    loss | float | nats | Mean training loss, taken while the weights change, dropout and augmentation on.
    accuracy | float | 0–1 | Training accuracy, taken in the same way.
    top5_accuracy | float | 0–1 | Training top-5 accuracy, taken in the same way.
    val_loss | float | nats | Loss on the validation images after the epoch.
    val_accuracy | float | 0–1 | Accuracy on the validation images.
    val_top5_accuracy | float | 0–1 | Top-5 accuracy on the validation images.
    train_seconds | float | s | Time of the training steps of the epoch.
    validation_seconds | float | s | Time of the validation.
    learning_rate | float | | Learning rate at the end of the epoch.
    resumed | boolean | | Whether the run was resumed before this epoch.
"""
_MEASUREMENT = f"""
    phase | text | | train or infer.
    batch_size | integer | images | Images per step.
    warmup_steps | integer | steps | Steps before the timed ones.
    timed_steps | integer | steps | Steps in all timed blocks.
    images_per_second | float | images/s | Median over timed blocks of images ÷ seconds.
    images_per_second_ci_low | float | images/s | Lower bound of the interval of that median, bootstrapped over blocks.
    images_per_second_ci_high | float | images/s | Upper bound of that interval.
    step_seconds_p50 | float | s | Median time of single steps, each synchronised with the device.
    step_seconds_p95 | float | s | 95th percentile of the same.
    flops_per_image | float | FLOP | Floating-point operations of the model's products and convolutions for one image.
    achieved_flops_per_second | float | FLOP/s | flops_per_image × images_per_second.
    device_peak_flops_per_second | float | FLOP/s | Fastest product of large square matrices in the same process.
    mfu | float | 0–1 | Model FLOPs utilisation: achieved ÷ peak.
    input_seconds_share | float | 0–1 | Share of a training step spent waiting for its batch.
    host_seconds_share | float | 0–1 | Share spent in Keras' loop and callbacks.
    compute_seconds_share | float | 0–1 | Share spent in the step itself.
    images_per_second_reading_loss | float | images/s | Training speed with a callback that reads the loss at each step.
    import_seconds | float | s | Import of Keras and the framework, without optional packages.
    build_seconds | float | s | Building the model and reading its data.
    first_step_seconds | float | s | First step, compilation included.
    recompile_seconds | float | s | First training step with another batch size.
    warmup_settled | boolean | | Whether the steps had stopped getting faster when the warm-up ended.
    {_MEMORY}
    energy_joules_per_image | float | J | Energy per image, where it can be read.
    energy_source | text | | nvml (the GPU's board) or rapl (all processor packages).
"""

_RUN = f"""
    seed | integer | | Decides initial weights, order of the images, augmentation and dropout.
    {_STATUS}
    parameters | integer | | Number of weights, those that are not trained included.
    epochs | integer | | Epochs that were trained.
    best_epoch | integer | | Epoch with the best validation accuracy, whose weights are tested.
    best_val_accuracy | float | 0–1 | Validation accuracy of that epoch.
    test_loss | float | nats | Loss of the best weights on the test images.
    test_accuracy | float | 0–1 | Their accuracy on the test images.
    test_top5_accuracy | float | 0–1 | Their top-5 accuracy on the test images.
    train_images_per_second | float | images/s | Median over epochs after the first one of a process.
    epoch_seconds_median | float | s | Median time of the training steps of an epoch, over the same epochs.
    first_step_seconds | float | s | First step, compilation included.
    import_seconds | float | s | Import of Keras and the framework, without optional packages.
    total_seconds | float | s | Time of all processes of the run.
    {_MEMORY}
    device | text | | Name of the GPU, or of the CPU where no GPU was used.
    jit_compile_effective | boolean | | Whether a compiler compiled the step.
    tf32_effective | boolean | | Whether float32 products may be computed in TF32.
    keras_version | text | | Version of Keras.
    backend_version | text | | Version of the framework.
    python_version | text | | Version of Python.
    git_commit | text | | Commit of vitbench; null outside a repository.
    config_sha256 | text | | Digest of the whole config.
    {_TIMES}
    resumptions | integer | | How often the run was resumed.
    error | text | | Why the run did not complete, or why it should not be compared.
"""
_PARITY_COLUMNS = f"""
    {_CONFIGURATION}
    reference_backend | text | | The reference: numpy (float64) or a backend.
    quantity | text | | What is compared: logits, loss, slope, gradient, state, losses or augmentation.
    weight | text | | Path of the weight or variable; null for a quantity of the whole model.
    max_abs_difference | float | of the quantity | Largest absolute difference.
    max_rel_difference | float | | Largest difference relative to the reference's largest magnitude.
    cosine | float | −1–1 | Cosine of the angle between the two, taken as vectors.
    tolerance | float | | Largest relative difference that passes.
    passed | boolean | | Whether the difference is within the tolerance.
"""
_COMPARISON = """
    metric | text | | test_accuracy, test_top5_accuracy, train_images_per_second or infer_images_per_second.
    batch_size | integer | images | Batch size of a speed; null for an accuracy.
    backend_a | text | | First backend of the pair.
    backend_b | text | | Second backend of the pair.
    n | integer | | Shared seeds (accuracy) or timed blocks (speed) of each backend.
    mean_a | float | of the metric | Mean of backend_a.
    mean_b | float | of the metric | Mean of backend_b.
    difference | float | 0–1 | Mean of a − b over shared seeds; null for speeds.
    sd_difference | float | 0–1 | Sample standard deviation of that difference.
    ci_low | float | 0–1 | Lower bound of the interval of the difference.
    ci_high | float | 0–1 | Upper bound of that interval.
    test | text | | Statistical method.
    p_value | float | 0–1 | p-value of "no difference".
    p_value_adjusted | float | 0–1 | The same after Holm's correction over the family.
    p_equivalence | float | 0–1 | Larger p-value of the two one-sided tests for equivalence.
    p_equivalence_adjusted | float | 0–1 | The same after Holm's correction over the family.
    ratio | float | | Median speed of a ÷ median speed of b; null for accuracies.
    ratio_ci_low | float | | Lower bound of the interval of the ratio, bootstrapped over blocks.
    ratio_ci_high | float | | Upper bound of that interval.
    verdict | text | | different, equivalent, inconclusive (…) or no verdict (…), with the reason.
"""

TABLES: dict[str, list[Column]] = {
    "runs": _join(_KEYS, _RUN),
    "epochs": _join(
        _KEYS,
        "seed | integer | | Seed of the run.",
        _HISTORY,
        "parity_passed | boolean | | Whether the configuration passed parity.",
    ),
    "throughput": _join(
        _KEYS,
        _STATUS,
        _MEASUREMENT,
        "device | text | | Name of the GPU, or of the CPU where no GPU was used.",
        "config_sha256 | text | | Digest of the whole config.",
        "error | text | | Why the measurement did not complete, or why it should not be compared.",
    ),
    "parity": _join(_PARITY_COLUMNS),
    "comparisons": _join(
        _EXPERIMENT,
        "model | text | | Name of the model in the config.",
        "execution | text | | Execution mode: published, tuned or native.",
        "precision | text | | Arithmetic: float32, tf32 or mixed_bfloat16.",
        _COMPARISON,
    ),
    "failures": _join("""
    step | text | | Step that failed.
    names | text | | Configuration of the job, separated by ·.
    status | text | | failed, missing, gated, diverged or out_of_memory.
    error | text | | Reason.
    jobs | integer | | Runs and measurements that have no result for this reason.
    log | text | | Path of the log.
    last_lines | text | | End of the log.
"""),
    "jobs": _join(
        "step | text | | Step of the pipeline.",
        _CONFIGURATION,
        "seed | integer | | Seed of the run or of the initial weights.",
        _TIMES,
        "total_seconds | float | s | Time between the two.",
    ),
    "summaries": _join(
        _EXPERIMENT,
        _CONFIGURATION,
        """
    metric | text | | test_accuracy or test_top5_accuracy.
    n | integer | | Completed runs.
    mean | float | 0–1 | Mean over them.
    sd | float | 0–1 | Sample standard deviation.
    ci_low | float | 0–1 | Lower bound of the t interval of the mean.
    ci_high | float | 0–1 | Upper bound of that interval.
    parity_passed | boolean | | Whether the configuration passed parity.
""",
    ),
    "confusions": _join(
        _EXPERIMENT,
        _CONFIGURATION,
        """
    true_class | text | | Class of the test images.
    predicted_class | text | | Class that was predicted instead.
    images | integer | | Test images of all completed runs for which this happened.
    share | float | 0–1 | Share of the images of the true class.
""",
    ),
}

CONFIGURATION_KEYS = [column.name for column in _join(_CONFIGURATION)]
MEASUREMENT_KEYS = [*CONFIGURATION_KEYS, "phase", "batch_size"]
KEY_COLUMNS = [column.name for column in _join(_KEYS)]
EPOCH_COLUMNS = [column.name for column in _join(_HISTORY)]  # of history.csv
MEASUREMENT_COLUMNS = [column.name for column in _join(_MEASUREMENT)]  # of each measurement in throughput/*.json
COLUMNS = {table: [column.name for column in columns] for table, columns in TABLES.items()}
RUN_COLUMNS = COLUMNS["runs"]
