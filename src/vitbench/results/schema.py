"""The columns of every table: name, dtype, description and unit, in one place. Readers, writers and docs use it."""

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 2  # of the layout of results and of the columns below
FIGURES = ("accuracy", "throughput", "accuracy_over_time", "learning_curves", "patches", "timeline")


@dataclass(frozen=True)
class Column:
    """One column. Every column may hold null. A time is text in ISO 8601. unit: empty for names, counts and factors."""

    name: str
    dtype: Literal["text", "integer", "float", "boolean", "time"]
    description: str
    unit: str = ""


_EXPERIMENT = Column("experiment", "text", "Name of the experiment.")
_MODEL = Column("model", "text", "Name of the model in the config.")
_EXECUTION = Column("execution", "text", "Execution mode: published, tuned or native.")
_PRECISION = Column("precision", "text", "Arithmetic: float32, tf32 or mixed_bfloat16.")
_CONFIGURATION = [_MODEL, Column("backend", "text", "Keras backend."), _EXECUTION, _PRECISION]
_KEYS = [
    Column("schema_version", "integer", "Version of the layout of results."),
    _EXPERIMENT,
    Column("dataset", "text", "Name of the data set."),
    *_CONFIGURATION,
]
_PLAN_MEASURED = Column(
    "plan_measured", "boolean", "Whether tune measured the plan of a tuned row; null for other execution modes."
)
_STATUS = Column("status", "text", "completed, failed, diverged, gated, out_of_memory or missing.")
_IMPORT = Column("import_seconds", "float", "Import of Keras and the framework, without optional packages.", "s")
_FIRST_TENSOR = Column("device_seconds", "float", "First tensor, for which the GPU is initialised.", "s")
_FIRST_STEP = Column("first_step_seconds", "float", "First step, compilation included.", "s")
_MEMORY = [
    Column("peak_host_memory_bytes", "integer", "Largest resident set of the process.", "bytes"),
    Column("peak_device_memory_bytes", "integer", "Most memory that the GPU's allocator held; null on a CPU.", "bytes"),
]
_DEVICE = Column("device", "text", "Name of the GPU, or of the CPU if no GPU was used.")
_DIGEST = Column("config_sha256", "text", "SHA-256 of the whole config at the time.")
_TIMES = [
    Column("started_at", "time", "When the process started, ISO 8601.", "UTC"),
    Column("finished_at", "time", "When it finished, ISO 8601.", "UTC"),
]
_PARITY_PASSED = Column("parity_passed", "boolean", "Whether the backend passed parity with this model.")

_RUN = [
    Column("seed", "integer", "Seed of the initial weights, the order of the images, augmentation and dropout."),
    _STATUS,
    Column("parameters", "integer", "Number of weights, including those that are not trained."),
    Column("epochs", "integer", "Number of epochs that were trained."),
    Column("best_epoch", "integer", "Epoch with the best validation accuracy; its weights are tested."),
    Column("best_val_accuracy", "float", "Validation accuracy of that epoch.", "0–1"),
    Column("test_loss", "float", "Loss of the best weights on the test images.", "nats"),
    Column("test_accuracy", "float", "Accuracy of the best weights on the test images.", "0–1"),
    Column("test_top5_accuracy", "float", "Top-5 accuracy of the best weights on the test images.", "0–1"),
    Column("train_images_per_second", "float", "Median over epochs, without the first of each process.", "images/s"),
    Column("epoch_seconds_median", "float", "Median time of the training steps of an epoch; same epochs.", "s"),
    _FIRST_STEP,
    _IMPORT,
    _FIRST_TENSOR,
    Column("total_seconds", "float", "Total time of all processes of the run.", "s"),
    *_MEMORY,
    _DEVICE,
    Column("jit_compile_effective", "boolean", "Whether a compiler compiled the training step."),
    Column("tf32_effective", "boolean", "Whether float32 products may be computed in TF32."),
    Column("keras_version", "text", "Version of Keras."),
    Column("backend_version", "text", "Version of the framework."),
    Column("python_version", "text", "Version of Python."),
    Column("git_commit", "text", "Commit of vitbench; null outside a repository."),
    _DIGEST,
    *_TIMES,
    Column("resumptions", "integer", "How often the run was resumed."),
    Column("error", "text", "Why the run did not complete, or why it must not be compared."),
]

_EPOCH = [
    Column("epoch", "integer", "Number of the epoch, from 1."),
    Column("loss", "float", "Mean training loss while the weights change, with dropout and augmentation.", "nats"),
    Column("accuracy", "float", "Training accuracy, measured in the same way.", "0–1"),
    Column("top5_accuracy", "float", "Training top-5 accuracy, measured in the same way.", "0–1"),
    Column("val_loss", "float", "Loss on the validation images after the epoch.", "nats"),
    Column("val_accuracy", "float", "Accuracy on the validation images.", "0–1"),
    Column("val_top5_accuracy", "float", "Top-5 accuracy on the validation images.", "0–1"),
    Column("train_seconds", "float", "Time of the training steps of the epoch.", "s"),
    Column("validation_seconds", "float", "Time of the validation after the epoch.", "s"),
    Column("learning_rate", "float", "Learning rate at the end of the epoch."),
    Column("resumed", "boolean", "Whether the run was resumed just before this epoch."),
]

_MEASUREMENT = [
    Column("phase", "text", "train or infer."),
    Column("batch_size", "integer", "Images per step.", "images"),
    Column("warmup_steps", "integer", "Number of steps before the timed ones."),
    Column("timed_steps", "integer", "Number of steps in all timed blocks."),
    Column("images_per_second", "float", "Median over timed blocks; over rounds, their geometric mean.", "images/s"),
    Column("step_seconds_p50", "float", "Median time of a single step, synchronised with the device.", "s"),
    Column("step_seconds_p95", "float", "95th percentile of the same.", "s"),
    Column("flops_per_image", "float", "Operations in the model's matrix products and convolutions.", "FLOP"),
    Column("achieved_flops_per_second", "float", "flops_per_image × images_per_second.", "FLOP/s"),
    Column("device_peak_flops_per_second", "float", "Fastest product of large square matrices here.", "FLOP/s"),
    Column("mfu", "float", "Model FLOPs utilisation: achieved ÷ largest peak of any round here.", "0–1"),
    Column("input_seconds_share", "float", "Share of a training step spent waiting for its batch.", "0–1"),
    Column("host_seconds_share", "float", "Share spent in Keras' loop and callbacks.", "0–1"),
    Column("compute_seconds_share", "float", "Share spent in the step itself.", "0–1"),
    Column(
        "gpu_busy_share",
        "float",
        "Share of the timed training blocks in which a kernel ran on the GPU; null without NVML.",
        "0–1",
    ),
    Column("images_per_second_reading_loss", "float", "Speed if a callback reads the loss at each step.", "images/s"),
    _IMPORT,
    _FIRST_TENSOR,
    Column("build_seconds", "float", "Building the model and loading its data.", "s"),
    _FIRST_STEP,
    Column("recompile_seconds", "float", "First training step with half the batch size.", "s"),
    Column("warmup_settled", "boolean", "Whether the steps no longer got faster when the warm-up ended."),
    *_MEMORY,
    Column("energy_joules_per_image", "float", "Energy of a training step per image; null if not readable.", "J"),
    Column("energy_source", "text", "nvml (the board of the GPU) or rapl (all processor packages)."),
]

_MACHINE = [
    Column("attempts", "integer", "How often the phase was measured: again if it was disturbed, at most three times."),
    Column("disturbed", "boolean", "Whether others took more than throughput.disturbance_limit even in this attempt."),
    Column("load_average", "float", "Load of the machine over the minute before the phase."),
    Column("other_cpu_share", "float", "Time of the process's cores that other processes used.", "0–1"),
    Column("steal_share", "float", "Time of these cores that the hypervisor gave to other machines.", "0–1"),
    Column("busiest_process", "text", "Name of the other process that used most CPU time."),
    Column("involuntary_switches_per_second", "float", "How often the process had to leave a core.", "1/s"),
    Column("cpu_mhz", "float", "Mean clock of the cores after the phase.", "MHz"),
    Column("gpu_clock_mhz", "float", "Clock of the GPU's multiprocessors after the phase.", "MHz"),
    Column("gpu_celsius", "float", "Temperature of the GPU after the phase.", "°C"),
    Column("gpu_power_limit_watts", "float", "Power limit that is in force.", "W"),
    Column("gpu_clock_reasons", "text", "Why the GPU ran at a lower clock after the phase, in NVML's words."),
    Column("gpu_other_processes", "integer", "Number of other processes that compute on the GPU."),
]

_ROUND = [
    Column("round", "integer", "Number of the round, from 1."),
    Column("control", "boolean", "Whether this is the second measurement of the configuration in the round."),
]
_OVER_ROUNDS = [
    Column("rounds", "integer", "Number of completed rounds."),
    Column("images_per_second_ci_low", "float", "Lower bound of the t interval over rounds; null for one.", "images/s"),
    Column("images_per_second_ci_high", "float", "Upper bound of that interval.", "images/s"),
    Column("round_spread", "float", "Between processes: standard deviation over rounds ÷ mean; null for one.", "0–1"),
    Column("block_spread", "float", "Within a process: the same over timed blocks, as the median over rounds.", "0–1"),
    Column("disturbed_rounds", "integer", "Number of completed rounds that were disturbed even when repeated."),
]

_COMPARISON = [
    Column("metric", "text", "test_accuracy, test_top5_accuracy, train_images_per_second or infer_images_per_second."),
    Column("batch_size", "integer", "Batch size of a speed; null for an accuracy.", "images"),
    Column("backend_a", "text", "First backend of the pair."),
    Column("backend_b", "text", "Second backend of the pair."),
    Column("n", "integer", "Shared seeds (accuracy), or shared rounds on the same device (speed)."),
    Column("mean_a", "float", "Mean of backend_a.", "of the metric"),
    Column("mean_b", "float", "Mean of backend_b.", "of the metric"),
    Column("difference", "float", "Mean of a − b over shared seeds; null for speeds.", "0–1"),
    Column("sd_difference", "float", "Sample standard deviation of a − b.", "0–1"),
    Column(
        "image_error", "float", "Its error from the test images, beyond what the scatter over seeds contains.", "0–1"
    ),
    Column("ci_low", "float", "Lower bound of the interval of the difference.", "0–1"),
    Column("ci_high", "float", "Upper bound of that interval.", "0–1"),
    Column("test", "text", "Statistical method."),
    Column("p_value", "float", "p-value of the hypothesis that there is no difference.", "0–1"),
    Column("p_value_adjusted", "float", "The same after Holm's correction over the family.", "0–1"),
    Column("p_equivalence", "float", "Larger p-value of the two one-sided tests for equivalence.", "0–1"),
    Column("p_equivalence_adjusted", "float", "The same after Holm's correction over the family.", "0–1"),
    Column("ratio", "float", "Speed of a ÷ speed of b, the geometric mean over shared rounds; null for accuracies."),
    Column("ratio_ci_low", "float", "Lower bound of the t interval of the ratio over rounds."),
    Column("ratio_ci_high", "float", "Upper bound of that interval."),
    Column("verdict", "text", "different, equivalent, inconclusive or no verdict; the last two with the reason."),
]

TABLES: dict[str, list[Column]] = {
    "runs": [*_KEYS, *_RUN, _PLAN_MEASURED],
    "epochs": [*_KEYS, Column("seed", "integer", "Seed of the run."), *_EPOCH, _PARITY_PASSED],
    "throughput": [
        *_KEYS,
        _STATUS,
        *_MEASUREMENT,
        *_OVER_ROUNDS,
        _DEVICE,
        _DIGEST,
        Column("error", "text", "Why the measurement did not complete, or why it must not be compared."),
        _PLAN_MEASURED,
    ],
    "rounds": [
        *_KEYS,
        *_ROUND,
        _STATUS,
        *_MEASUREMENT,
        *_MACHINE,
        Column("block_spread", "float", "Standard deviation of the speed over timed blocks ÷ mean.", "0–1"),
        _DEVICE,
        Column("hostname", "text", "Name of the machine."),
        _DIGEST,
        *_TIMES,
        Column("error", "text", "Why the round did not complete, or why it must not be compared."),
        _PLAN_MEASURED,
    ],
    "controls": [
        _EXPERIMENT,
        *_CONFIGURATION,
        Column("phase", "text", "train or infer."),
        Column("batch_size", "integer", "Images per step.", "images"),
        Column("n", "integer", "Rounds in which the configuration was measured twice on the same device."),
        Column(
            "difference", "float", "Root mean square of the difference between the two, as a share of the speed.", "0–1"
        ),
        Column("ratio", "float", "First ÷ second measurement, the geometric mean over rounds."),
        Column("ratio_ci_low", "float", "Lower bound of the t interval of the ratio over rounds."),
        Column("ratio_ci_high", "float", "Upper bound of that interval."),
        Column(
            "verdict", "text", "As in comparisons. The configuration is the same, so different is a false positive."
        ),
    ],
    "parity": [
        *_CONFIGURATION,
        Column("reference_backend", "text", "The reference: numpy (float64) or a backend."),
        Column("quantity", "text", "What is compared: logits, loss, slope, gradient, state, losses or augmentation."),
        Column("weight", "text", "Path of the weight or variable; null for a quantity of the whole model."),
        Column("max_abs_difference", "float", "Largest absolute difference; null if not finite.", "of the quantity"),
        Column("max_rel_difference", "float", "The same relative to the largest magnitude of the reference."),
        Column("cosine", "float", "Cosine of the angle between the two as vectors.", "−1–1"),
        Column("tolerance", "float", "Largest relative difference that passes."),
        Column("passed", "boolean", "Whether the difference is within the tolerance."),
    ],
    "comparisons": [_EXPERIMENT, _MODEL, _EXECUTION, _PRECISION, *_COMPARISON],
    "failures": [
        Column("step", "text", "Step that failed."),
        Column("names", "text", "Model, backend and so on of the command, separated by ·."),
        Column("status", "text", "failed, missing, gated, diverged or out_of_memory."),
        Column("error", "text", "Reason."),
        Column("jobs", "integer", "Number of runs and measurements that did not complete for this reason."),
        Column("log", "text", "Path of the log."),
        Column("last_lines", "text", "End of the log."),
    ],
    "jobs": [
        Column("step", "text", "Step of the pipeline."),
        *_CONFIGURATION,
        Column("seed", "integer", "Seed of the run or of the initial weights."),
        *_TIMES,
        Column("total_seconds", "float", "Time between the two.", "s"),
    ],
    "summaries": [
        _EXPERIMENT,
        *_CONFIGURATION,
        Column("metric", "text", "test_accuracy or test_top5_accuracy."),
        Column("n", "integer", "Number of completed runs."),
        Column("mean", "float", "Mean over the runs.", "0–1"),
        Column("sd", "float", "Sample standard deviation; null for one run.", "0–1"),
        Column("ci_low", "float", "Lower bound of the t interval of the mean.", "0–1"),
        Column("ci_high", "float", "Upper bound of that interval.", "0–1"),
        _PARITY_PASSED,
    ],
    "confusions": [
        _EXPERIMENT,
        *_CONFIGURATION,
        Column("true_class", "text", "Class of the test images."),
        Column("predicted_class", "text", "Class that was predicted instead."),
        Column("images", "integer", "Number of such test images, over all completed runs."),
        Column("share", "float", "The same as a share of the images of the true class.", "0–1"),
    ],
}


def _names(columns: list[Column]) -> list[str]:
    return [column.name for column in columns]


CONFIGURATION_KEYS = _names(_CONFIGURATION)
MEASUREMENT_KEYS = [*CONFIGURATION_KEYS, "phase", "batch_size"]
KEY_COLUMNS = _names(_KEYS)
EPOCH_COLUMNS = _names(_EPOCH)  # of history.csv
MEASUREMENT_COLUMNS = _names(_MEASUREMENT)  # of each measurement in throughput/*.json
MACHINE_COLUMNS = _names(_MACHINE)  # likewise
COLUMNS = {table: _names(columns) for table, columns in TABLES.items()}
RUN_COLUMNS = COLUMNS["runs"]
