"""Runs an experiment for as long as a machine is available: python benchmarks/gpu/gpu_queue.py --config … --seconds …

Calls the commands of vitbench one after the other, the most important first, each in a process of its own. Commands
whose results exist are skipped, so the next call continues where this one stopped, here or on another machine; carry.py
moves the results. All commands share one folder of compiled code. Each command that was started becomes a line of
results/<experiment>/queue.tsv.
"""

import argparse
import csv
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from vitbench.config.loading import ConfigError, load_config
from vitbench.config.schema import Config
from vitbench.results.jobs import Job, list_measurements, list_runs
from vitbench.results.paths import Results
from vitbench.system.core_claim import claim_cores
from vitbench.system.environment import CACHE_VARIABLES
from vitbench.system.files import read_json
from vitbench.system.gpu_claim import claim_gpu
from vitbench.system.logs import notify
from vitbench.system.subprocesses import run_in_subprocess

COLUMNS = ("item", "machine", "started_at", "seconds", "outcome")
COMPLETED = "completed"
LAST = 3  # durations from which a need is estimated; earlier ones may include more compilation
# Of each step: the seconds that an item needs, while no similar one has completed, and the most that it may take.
BOUNDS = {
    "data": (20, 120),
    "init": (20, 120),
    "tune": (90, 480),
    "parity": (240, 600),
    "throughput": (45, 420),
    "train": (120, 3600),
}


@dataclass(frozen=True)
class Item:
    """One command of vitbench.

    names: those of its log: the model, the backend, … inputs: files that must exist before it starts. outputs: files
    that exist once it has ended.
    """

    step: str
    names: tuple[str, ...]
    options: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]

    def __str__(self) -> str:
        return " ".join((self.step, *self.names))

    def is_done(self) -> bool:
        return all(path.exists() for path in self.outputs)


def list_items(config: Config, results: Results) -> list[Item]:
    """The items of an experiment, the most important first.

    The reference backend is prepared first, because the others are compared with it. The rounds follow in their turns,
    so that whenever time runs out the configurations have about equally many, and then one run of each configuration
    before the second of any.
    """
    arrays = [path(split) for split in ("train", "test") for path in (results.images, results.labels)]
    items = [Item("data", (), (), (), (results.manifest, *arrays))]
    for model in dict.fromkeys(model for model, _ in config.model_backends()):
        items.append(_init_item(results, model, config.model_seeds(model)[0]))
        backends = [backend for name, backend in config.model_backends() if name == model]
        for backend in dict.fromkeys([config.reference_backend(model), *backends]):
            precisions = config.precisions if backend in backends else []
            items += [_tune_item(config, results, model, backend, precision) for precision in precisions]
            items.append(_parity_item(config, results, model, backend))
    items += [_job_item(config, results, job) for job in list_measurements(config)]
    for job in sorted(list_runs(config), key=lambda job: config.model_seeds(job.model).index(job.run_key[-1])):
        items += [_init_item(results, job.model, job.run_key[-1]), _job_item(config, results, job)]
    return list(dict.fromkeys(items))


def _init_item(results: Results, model: str, seed: int) -> Item:
    options = (f"--model={model}", f"--seed={seed}")
    return Item("init", (model, f"seed{seed}"), options, (results.manifest,), (results.init(model, seed),))


def _tune_item(config: Config, results: Results, model: str, backend: str, precision: str) -> Item:
    options = (f"--model={model}", f"--backend={backend}", f"--precision={precision}")
    inputs = (results.manifest, results.init(model, config.model_seeds(model)[0]))
    return Item("tune", (model, backend, precision), options, inputs, (results.tune(model, backend, precision),))


def _parity_item(config: Config, results: Results, model: str, backend: str) -> Item:
    reference = config.reference_backend(model)
    backends = [other for name, other in config.model_backends() if name == model]
    plans = [results.tune(model, backend, precision) for precision in config.precisions if backend in backends]
    inputs = [results.manifest, results.init(model, config.model_seeds(model)[0]), *plans]
    outputs = [results.parity(model, backend)]
    quantities = results.parity_quantities(model, reference)
    if backend != reference:
        inputs.append(quantities)
    elif not all(results.parity(model, other).exists() for other in backends):
        outputs.append(quantities)  # they may not have travelled, and a backend is yet to be compared with them
    return Item("parity", (model, backend), (f"--model={model}", f"--backend={backend}"), tuple(inputs), tuple(outputs))


def _job_item(config: Config, results: Results, job: Job) -> Item:
    options = [f"--{name}={getattr(job, name)}" for name in ("model", "backend", "execution", "precision")]
    options.append(f"--round={job.round}" if job.seed is None else f"--seed={job.seed}")
    seed = config.model_seeds(job.model)[0] if job.seed is None else job.seed
    plan = results.tune(job.model, job.backend, job.precision)
    inputs = (results.manifest, results.init(job.model, seed), plan, results.parity(job.model, job.backend))
    return Item(job.step, job.log_names, tuple(options), inputs, (job.result_path(results),))


def estimate_need(item: Item, record: Path) -> float:
    """The seconds that `item` needs: the longest of the last that this step took on this backend, or the default."""
    rows = [row for row in read_record(record) if row["outcome"] == COMPLETED]
    seconds = [float(row["seconds"]) for row in rows if _kind(row["item"]) == _kind(str(item))]
    return max(seconds[-LAST:], default=BOUNDS[item.step][0])


def _kind(name: str) -> list[str]:
    """The step, model and backend in the name of an item."""
    return name.split()[:3]


def read_record(record: Path) -> list[dict[str, str]]:
    """The lines of queue.tsv, oldest first; empty if there is none."""
    if not record.exists():
        return []
    with record.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def work_through(
    items: Sequence[Item],
    record: Path,
    seconds: float,
    run: Callable[[Item, float], str],
    max_items: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Runs those of `items` that are not done and can start, in their order, until `seconds` have passed.

    run: takes an item and the seconds after which it must be killed, and returns the outcome. max_items: the largest
    number of items to start; None: all.
    """
    deadline, count = clock() + seconds, 0
    for item in items:
        left = deadline - clock()
        if item.is_done() or count == max_items:
            continue
        if missing := [path for path in item.inputs if not path.exists()]:
            notify(f"{item}: not started, because {missing[0]} does not exist")
        elif (need := estimate_need(item, record)) > left:
            notify(f"{item}: not started, because it needs {need:.0f} s and {max(0, left):.0f} s are left")
        else:
            notify(f"{item}: started, {left:.0f} s are left")
            started, started_at, count = clock(), datetime.now(UTC).isoformat(timespec="seconds"), count + 1
            outcome = run(item, min(BOUNDS[item.step][1], left))
            _append(record, (item, platform.node(), started_at, f"{clock() - started:.1f}", outcome))
            notify(f"{item}: {outcome} after {clock() - started:.0f} s")
    done = sum(item.is_done() for item in items)
    notify(f"{done} of {len(items)} items are done")


def _append(record: Path, row: Sequence[object]) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    is_new = not record.exists()
    with record.open("a", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([COLUMNS, row] if is_new else [row])


def run_item(
    item: Item, limit: float, files: Sequence[str], results: Results, command: Callable[[list[str]], dict] | None = None
) -> str:
    """Runs `item` with the config `files` and returns the outcome. After `limit` seconds its processes are killed.

    command: what is called with the arguments of vitbench, in a new process.
    """
    log = results.log(item.step, *item.names)
    arguments = [item.step, *(f"--config={file}" for file in files), *item.options, f"--log={log}"]
    outcome = run_in_subprocess(command or call_vitbench, (arguments,), limit)
    if outcome["status"] == "abandoned":
        return f"killed at its limit of {limit:.0f} s"
    if "error" in outcome:
        return f"failed: {' '.join(outcome['error'].split())}"
    if not item.is_done():
        return "failed: it left no result"
    result = item.outputs[0]
    return read_json(result).get("status", COMPLETED) if result.suffix == ".json" else COMPLETED


def call_vitbench(arguments: list[str]) -> dict:
    """Runs a command of vitbench in this process. `status` is "completed", or "failed" with an `error`."""
    from vitbench.cli import app

    code = app(arguments, standalone_mode=False)
    return {"status": "failed", "error": f"exit status {code}"} if code else {"status": COMPLETED}


def share_caches(folder: Path) -> None:
    """Makes all processes keep what they compile in `folder`, unless the user has set another one."""
    for variable in CACHE_VARIABLES:
        os.environ.setdefault(variable, str(folder.absolute() / variable.lower()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")  # many small functions add up to minutes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Runs an experiment for as long as a machine is available.")
    parser.add_argument("--config", action="append", required=True, metavar="FILE", help="as for vitbench; repeatable")
    parser.add_argument("--seconds", type=float, required=True, help="how long items may run, from now")
    parser.add_argument("--items", type=int, metavar="N", help="start at most N items")
    parser.add_argument("--steps", nargs="+", choices=BOUNDS, default=list(BOUNDS), help="only these steps")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
    except ConfigError as error:
        parser.error(str(error))
    results = Results.for_experiment(config.experiment)
    # For the whole queue, because the processes of the items have temporary directories, and so locks, of their own.
    claim_gpu(config.accelerator)
    claim_cores()
    share_caches(results.root / "compiled")
    items = [item for item in list_items(config, results) if item.step in options.steps]
    run = partial(run_item, files=options.config, results=results)
    work_through(items, results.root / "queue.tsv", options.seconds, run, options.items)


if __name__ == "__main__":
    main()
