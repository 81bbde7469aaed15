"""throughput: one round of a measurement: steady-state speeds, memory, energy and the time breakdown.

Each batch size is measured in a process of its own, so that one that runs out of memory or hangs becomes a row instead
of ending the job. Training and inference share the process, which pays once for import and build. A phase that other
processes disturbed is measured again.
"""

from typing import Any

from vitbench.backends.process import raise_device_errors, start_backend
from vitbench.backends.registry import get_backend
from vitbench.config.schema import Config
from vitbench.execution.identity import describe_job
from vitbench.execution.plans import load_plan
from vitbench.formatting import join_words
from vitbench.parity.gate import check_gate
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.schema import MACHINE_COLUMNS, MEASUREMENT_COLUMNS
from vitbench.results.sweep import MeasuredSizes
from vitbench.results.writers import write_throughput
from vitbench.system.disturbance import describe_disturbance, disturbance
from vitbench.system.environment import describe_machine
from vitbench.system.logs import ProgressBar, notify
from vitbench.system.subprocesses import KILLED, run_in_subprocess

PHASES = ["train", "infer"]
MOST_ATTEMPTS = 3


def run(config: Config, results: Results, job: Job) -> str:
    """Measures `job` at each batch size and returns its status.

    Raises GatedError if parity failed, and DeviceError if the GPU is missing or broken.
    """
    warning = check_gate(config, results, job)
    bar = ProgressBar(f"throughput {job}", len(config.batch_sizes()), "batch size")
    measurements, environment, too_large = [], None, {}
    assert job.round is not None
    path = results.checkpoint_of_round(*job.configuration, job.round)
    sizes = MeasuredSizes(path, _describe_round(config, results, job))
    for batch_size in sorted(config.batch_sizes()):
        outcomes = sizes.load(batch_size)
        if outcomes is None:
            phases = [phase for phase in PHASES if phase not in too_large]
            outcomes = _measure_undisturbed(config, results, job, batch_size, phases)
            sizes.save(batch_size, outcomes)
        for phase in PHASES:
            if phase in too_large:
                error = f"not tried, because {too_large[phase]} images per step were too many"
                row: dict[str, Any] = {"status": "out_of_memory", "error": error}
            else:
                row = build_row(outcomes[phase], phase, config.throughput.limit_seconds, job.backend)
                environment = environment or outcomes[phase].get("environment")
                if row["status"] == "out_of_memory":
                    too_large[phase] = batch_size
            keys = {"phase": phase, "batch_size": batch_size}
            measurements.append(dict.fromkeys([*MEASUREMENT_COLUMNS, *MACHINE_COLUMNS]) | keys | row)
        bar.advance(images_per_second=measurements[-len(PHASES)].get("images_per_second") or float("nan"))
    bar.close()
    statuses = [row["status"] for row in measurements]
    status = "completed" if "completed" in statuses else statuses[0]
    values = {"error": warning, "measurements": measurements, "environment": environment}
    write_throughput(config, results, job, status, {key: value for key, value in values.items() if value is not None})
    sizes.delete()
    return status


def _describe_round(config: Config, results: Results, job: Job) -> dict:
    """Everything that decides the outcomes of a round. All its batch sizes must be measured on one machine."""
    plan = None if job.execution == "native" else load_plan(results, job)
    return {**describe_job(config, results, job, plan), "machine": describe_machine()}


def _measure_undisturbed(
    config: Config, results: Results, job: Job, batch_size: int, phases: list[str]
) -> dict[str, dict]:
    """The outcome of each phase. A disturbed phase is measured again, and the least disturbed attempt counts.

    Which attempt counts must not depend on its speed.
    """
    limit = config.throughput.disturbance_limit
    open_phases, chosen = phases, {}
    for attempt in range(1, MOST_ATTEMPTS + 1):
        outcomes = _measure_batch_size(config, results, job, batch_size, open_phases)
        for phase, outcome in outcomes.items():
            if phase not in chosen or _disturbance(outcome, phase) < _disturbance(chosen[phase], phase):
                chosen[phase] = outcome
            if chosen[phase]["status"] == "measured":
                row = chosen[phase]["rows"][phase]
                row |= {"attempts": attempt, "disturbed": limit is not None and disturbance(row) > limit}
        rows = {phase: chosen[phase].get("rows", {}).get(phase, {}) for phase in open_phases}
        open_phases = [phase for phase, row in rows.items() if row.get("disturbed")]
        if not open_phases or attempt == MOST_ATTEMPTS:
            return chosen
        notify(f"{job}: {join_words(open_phases)} is measured again: {describe_disturbance(rows[open_phases[0]])}")
    return chosen


def _disturbance(outcome: dict, phase: str) -> float:
    """As in `vitbench.system.disturbance`; infinite for a phase that was not measured."""
    return disturbance(outcome["rows"][phase]) if outcome["status"] == "measured" else float("inf")


def _measure_batch_size(
    config: Config, results: Results, job: Job, batch_size: int, phases: list[str]
) -> dict[str, dict]:
    """The outcome of each phase. If the process that they share fails, each phase gets another of its own."""
    limit = config.throughput.limit_seconds

    def measure(measured: list[str]) -> dict:
        return run_in_subprocess(_measure, (config, results, job, batch_size, measured), limit * len(measured))

    outcome = measure(phases) if phases else {}
    if len(phases) < 2 or outcome["status"] == "measured":
        return dict.fromkeys(phases, outcome)
    return {phase: measure([phase]) for phase in phases}


def build_row(outcome: dict, phase: str, limit_seconds: float, backend: str) -> dict:
    """The columns of tables/rounds from the outcome of a process, or only a status and an error if it failed."""
    if outcome["status"] == "abandoned":
        return {"status": "failed", "error": f"it took longer than throughput.limit_seconds, {limit_seconds:g} s"}
    if outcome["status"] == "failed":
        full = get_backend(backend).is_out_of_memory(outcome["error"]) or outcome["error"] == KILLED
        return {"status": "out_of_memory" if full else "failed", "error": outcome["error"]}
    peak = outcome["device_peak_flops_per_second"]
    return outcome["rows"][phase] | {"status": "completed", "device_peak_flops_per_second": peak}


@raise_device_errors()
def _measure(config: Config, results: Results, job: Job, batch_size: int, phases: list[str]) -> dict:
    startup = start_backend(job.backend, job.precision, config.accelerator, config.allow_cpu)
    from vitbench.measure.throughput import measure_phases  # imports Keras

    return {"status": "measured", **measure_phases(config, results, job, batch_size, phases, startup)}
