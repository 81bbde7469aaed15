"""estimate: predicts the cost of the experiment on this machine from a few real steps of each model and backend."""

import math
from dataclasses import dataclass

from vitbench.analysis.power import power_of_equivalence
from vitbench.config.schema import Config
from vitbench.formatting import format_count, format_duration, format_share
from vitbench.results.jobs import find_control
from vitbench.results.paths import Results
from vitbench.system.files import read_json

# The report's environment, in which this runs, has no Keras, so these cannot be imported from vitbench.measure.
LEAST_REPETITIONS = 3  # of a warm-up
TYPICAL_SPREAD = 0.005  # standard deviation of the accuracy over seeds, 0–1
BREAKDOWN_BLOCKS = 10  # of training in the first round: nine of the compared loops, and one that warms them up


@dataclass(frozen=True)
class Estimate:
    """The cost of one model on one backend, in seconds and bytes. other_seconds: the steps tune and throughput."""

    model: str
    backend: str
    epoch_seconds: float
    first_step_seconds: float
    memory_bytes: int
    runs: int
    run_seconds: float
    other_seconds: float

    @property
    def total_seconds(self) -> float:
        return self.runs * self.run_seconds + self.other_seconds


def run(config: Config, results: Results) -> None:
    """Prints the estimate. Raises FileNotFoundError if a sample is missing; see `list_missing_samples`."""
    samples = [read_json(results.sample(model, backend)) for model, backend in config.model_backends()]
    devices = {sample["device"]["name"] or "the CPU" for sample in samples}
    print_table(config, [estimate_cost(config, sample) for sample in samples], devices)
    for line in describe_power(config):
        print(line)


def list_missing_samples(config: Config, results: Results) -> list[tuple[str, str]]:
    """The pairs (model, backend) without a sample that was taken with these settings."""
    missing = []
    for model, backend in config.model_backends():
        path = results.sample(model, backend)
        if not path.exists() or read_json(path)["settings"] != config.relevant_settings("sample", model):
            missing.append((model, backend))
    return missing


def estimate_cost(config: Config, sample: dict) -> Estimate:
    """The cost of the configured epochs, seeds and measurements, from what the step sample wrote.

    It assumes that every execution mode is as fast as the sampled one, and that `tune` uses its whole budget.
    """
    model, backend, step_seconds = sample["model"], sample["backend"], sample["step_seconds"]
    image_seconds = 1 / sample["inference_images_per_second"]
    steps = math.ceil(sample["train_images"] / sample["batch_size"])
    epoch_seconds = steps * step_seconds + sample["validation_images"] * image_seconds
    precisions = len(config.precisions)
    modes = config.timed_executions(model, backend)
    rounds = precisions * sum(config.rounds(execution) for execution in modes)
    if (control := find_control(config)) and control[:2] == (model, backend):
        rounds += config.rounds(control[2])
    throughput_seconds = rounds * _estimate_round(config, sample, image_seconds)
    throughput_seconds += precisions * len(modes) * _estimate_breakdown(config, sample)
    return Estimate(
        model=model,
        backend=backend,
        epoch_seconds=epoch_seconds,
        first_step_seconds=sample["first_step_seconds"],
        memory_bytes=sample["peak_device_memory_bytes"] or sample["peak_host_memory_bytes"],
        runs=precisions * len(config.model_executions(model).train) * len(config.model_seeds(model)),
        run_seconds=sample["startup_seconds"]
        + config.model_epochs(model) * epoch_seconds
        + sample["test_images"] * image_seconds,
        other_seconds=precisions * config.tuning.budget_seconds + throughput_seconds,
    )


def _estimate_round(config: Config, sample: dict, image_seconds: float) -> float:
    """The seconds of one round of a throughput measurement, over all batch sizes."""
    bounds, seconds = config.throughput, 0.0
    for batch_size in config.batch_sizes():
        training, inference = _step_seconds(sample, batch_size), image_seconds * batch_size
        seconds += sample["startup_seconds"]
        # Training has a further block of steps that are timed one by one.
        for step, blocks in ((training, bounds.blocks + 1), (inference, bounds.blocks)):
            warmup = max(LEAST_REPETITIONS * bounds.warmup_steps * step, bounds.block_seconds)
            seconds += warmup + blocks * _block_seconds(config, step)
    return seconds


def _estimate_breakdown(config: Config, sample: dict) -> float:
    """The seconds of what only the first round measures: another batch size, and the loops of the time breakdown."""
    blocks = config.throughput.blocks + BREAKDOWN_BLOCKS
    steps = [_step_seconds(sample, batch_size) for batch_size in config.batch_sizes()]
    return sum(sample["first_step_seconds"] + blocks * _block_seconds(config, step) for step in steps)


def _step_seconds(sample: dict, batch_size: int) -> float:
    """The seconds of a training step, which are taken to be proportional to the batch size."""
    return sample["step_seconds"] * batch_size / sample["batch_size"]


def _block_seconds(config: Config, step: float) -> float:
    bounds = config.throughput
    return max(step, min(max(bounds.steps_per_block * step, bounds.block_seconds), bounds.longest_block_seconds))


def describe_power(config: Config) -> list[str]:
    """What the configured seeds can show about accuracies: one sentence; none if there is nothing to compare."""
    if len(config.backends) < 2:
        return []
    seeds, settings = len(config.seeds), config.statistics
    if seeds < 2:
        return ["One seed gives no verdict on whether accuracies differ between backends."]
    # The difference between two independent runs scatters by √2 times as much as one run.
    spread, alpha = math.sqrt(2) * TYPICAL_SPREAD, 1 - settings.confidence
    powers = {n: power_of_equivalence(n, 0.0, spread, alpha, settings.equivalence_margin) for n in (seeds, 2 * seeds)}
    return [
        f"If accuracies scatter by {format_share(TYPICAL_SPREAD)} over seeds, {format_count(seeds, 'seed')} show with "
        f"a probability of {powers[seeds]:.2f} that two equally accurate backends differ by less than "
        f"{format_share(settings.equivalence_margin)}; {2 * seeds} seeds with {powers[2 * seeds]:.2f}."
    ]


def print_table(config: Config, estimates: list[Estimate], devices: set[str]) -> None:
    """Prints one row per model and backend, and the total."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{config.experiment}: estimate for {', '.join(sorted(devices))}", title_justify="left")
    table.add_column("model")
    table.add_column("backend")
    for heading in ("s per epoch", "epochs", "first step, s", "memory, GB", "time per run", "runs", "total"):
        table.add_column(heading, justify="right")
    for estimate in estimates:
        table.add_row(
            estimate.model,
            estimate.backend,
            f"{estimate.epoch_seconds:.3g}",
            str(config.model_epochs(estimate.model)),
            f"{estimate.first_step_seconds:.1f}",
            f"{estimate.memory_bytes / 1e9:.1f}",
            format_duration(estimate.run_seconds),
            str(estimate.runs),
            format_duration(estimate.total_seconds),
        )
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    total = sum(estimate.total_seconds for estimate in estimates)
    console.print(
        f"About {format_duration(total)} in total, one job at a time. It assumes that every execution mode is as fast "
        "as the sampled one. The last column includes tune and throughput.",
        highlight=False,
    )
