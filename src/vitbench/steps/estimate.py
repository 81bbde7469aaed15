"""estimate: what the experiment will cost on this machine, from a few real steps of each contestant."""

import math
from dataclasses import dataclass

from vitbench.config.schema import Config
from vitbench.formatting import format_duration
from vitbench.results.paths import Results
from vitbench.system.files import read_json

BLOCKS_BESIDE = 11  # of training steps: those that show where the time goes, and the steps taken one by one


@dataclass(frozen=True)
class Estimate:
    """Of one contestant. Seconds and bytes; `other_seconds` is what tune and throughput take."""

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
    """Prints the table, from the samples."""
    samples = [read_json(results.sample(model, backend)) for model, backend in config.model_backends()]
    devices = {sample["device"]["name"] or "the CPU" for sample in samples}
    print_table(config, [estimate_configuration(config, sample) for sample in samples], devices)


def unsampled(config: Config, results: Results) -> list[tuple[str, str]]:
    """The contestants (model, backend) that have no sample made with these settings."""
    missing = []
    for model, backend in config.model_backends():
        path = results.sample(model, backend)
        if not path.exists() or read_json(path)["settings"] != config.relevant_settings("sample", model):
            missing.append((model, backend))
    return missing


def estimate_configuration(config: Config, sample: dict) -> Estimate:
    """What `sample`, as the step sample wrote it, comes to for the configured epochs, seeds and measurements.

    Every execution is taken to be as fast as the sampled one, and `tune` to use up its budget.
    """
    model, step = sample["model"], sample["step_seconds"]
    per_image = 1 / sample["inference_images_per_second"]
    steps = math.ceil(sample["train_images"] / sample["batch_size"])
    epoch = steps * step + sample["validation_images"] * per_image
    training = config.model_epochs(model) * epoch
    timed = config.throughput
    precisions = len(config.precisions)
    throughput = 0.0
    for batch_size in config.batch_sizes():
        throughput += sample["startup_seconds"] + sample["first_step_seconds"]  # the second for a batch of another size
        of_training, of_inference = step * batch_size / sample["batch_size"], per_image * batch_size
        for seconds, blocks in ((of_training, timed.blocks + BLOCKS_BESIDE), (of_inference, timed.blocks)):
            block = min(max(timed.steps_per_block * seconds, timed.block_seconds), timed.longest_block_seconds)
            throughput += 2 * timed.warmup_steps * seconds + blocks * max(block, seconds)
    other = precisions * config.tuning.budget_seconds
    other += precisions * len(config.timed_executions(model, sample["backend"])) * throughput
    return Estimate(
        model=model,
        backend=sample["backend"],
        epoch_seconds=epoch,
        first_step_seconds=sample["first_step_seconds"],
        memory_bytes=sample["peak_device_memory_bytes"] or sample["peak_host_memory_bytes"],
        runs=precisions * len(config.model_executions(model).train) * len(config.model_seeds(model)),
        run_seconds=sample["startup_seconds"] + training + sample["test_images"] * per_image,
        other_seconds=other,
    )


def print_table(config: Config, estimates: list[Estimate], devices: set[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{config.experiment}: estimate for {', '.join(sorted(devices))}", title_justify="left")
    table.add_column("model")
    table.add_column("backend")
    headings = ("s per epoch", "epochs", "first step, s", "memory, GB", "time per run", "runs", "all of it")
    for heading in headings:
        table.add_column(heading, justify="right")
    for e in estimates:
        table.add_row(
            *(e.model, e.backend, f"{e.epoch_seconds:.3g}", str(config.model_epochs(e.model))),
            *(
                f"{e.first_step_seconds:.1f}",
                f"{e.memory_bytes / 1e9:.1f}",
                format_duration(e.run_seconds),
                str(e.runs),
            ),
            format_duration(e.total_seconds),
        )
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    total = sum(e.total_seconds for e in estimates)
    console.print(
        f"About {format_duration(total)} in total, one job at a time. It assumes that every execution mode is as "
        "fast as the sampled one. The last column includes tune and throughput.",
        highlight=False,
    )
