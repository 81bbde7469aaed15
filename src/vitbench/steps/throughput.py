"""throughput: training and inference steps per second in steady state, on nothing but steps, device-synchronised.

Each batch size is measured in a process of its own, so that its cold start and its memory are its own, and one that is
too large ends with a row and not with the job.
"""

from collections.abc import Iterator

from vitbench import execution
from vitbench.config import Config
from vitbench.processes import KILLED, each_from_a_process
from vitbench.progress import Bar
from vitbench.records import THROUGHPUT_VALUES, Job, gate, write_throughput
from vitbench.results import Results

PHASES = ("train", "infer")


def run(config: Config, results: Results, job: Job) -> str:
    """Times `job` at each batch size and returns its status. Raises records.Gated if parity failed."""
    warning = gate(config, results, job)
    bar = Bar(f"throughput {job}", len(config.batch_sizes()) * len(PHASES), "measurement")
    measurements, environment, too_large = [], None, None
    for batch_size in sorted(config.batch_sizes()):
        if too_large:
            error = f"not tried, since {too_large} images per step were too many"
            rows = {phase: {"status": "out_of_memory", "error": error} for phase in PHASES}
        else:
            rows, found = gathered(each_from_a_process(_measure, (config, results, job, batch_size)))
            environment = environment or found
        for phase, row in rows.items():
            keys = {"phase": phase, "batch_size": batch_size}
            measurements.append(dict.fromkeys(THROUGHPUT_VALUES) | keys | row)
            bar.advance(images_per_second=row.get("images_per_second") or float("nan"))
            if row["status"] == "out_of_memory":
                too_large = too_large or batch_size
    bar.close()
    statuses = [row["status"] for row in measurements]
    status = "completed" if "completed" in statuses else statuses[0]
    values = {"error": warning, "measurements": measurements, "environment": environment}
    write_throughput(config, results, job, status, {key: value for key, value in values.items() if value is not None})
    return status


def gathered(outcomes: Iterator[dict]) -> tuple[dict[str, dict], dict | None]:
    """The rows of tables/throughput by phase, those that are missing with a reason; and the environment, if known."""
    rows, process, lost = {}, {}, {"status": "failed", "error": "the process ended too early"}
    for outcome in outcomes:
        if "phase" in outcome:
            rows[outcome["phase"]] = outcome | {"status": "completed"}
        elif "error" in outcome:
            full = execution.out_of_memory(outcome["error"]) or outcome["error"] == KILLED
            lost = {"status": "out_of_memory" if full else "failed", "error": outcome["error"]}
        else:
            process = outcome
    peak = process.get("device_peak_flops_per_second")
    for row in rows.values():
        achieved = row["achieved_flops_per_second"]
        row |= {"device_peak_flops_per_second": peak, "mfu": achieved / peak if achieved and peak else None}
    return {phase: rows.get(phase, lost) for phase in PHASES}, process.get("environment")


def _measure(config: Config, results: Results, job: Job, batch_size: int) -> Iterator[dict]:
    import_seconds = execution.start(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench import measurement

    yield from measurement.of(config, results, job, batch_size, import_seconds)
