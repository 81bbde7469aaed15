"""tables: everything that was measured, as pandas tables. Every run of the config is a row, completed or not."""

import shutil
from collections import Counter
from dataclasses import astuple

import numpy as np
import pandas as pd

from vitbench.analysis.load import load_blocks
from vitbench.analysis.speeds import median_interval
from vitbench.analysis.statistics import compare_backends, summarize_accuracies
from vitbench.config.schema import Config
from vitbench.results.failures import find_failure
from vitbench.results.jobs import Job, list_jobs
from vitbench.results.paths import Results
from vitbench.results.predictions import count_confusions, load_predictions
from vitbench.results.schema import COLUMNS
from vitbench.system.files import atomic_write, read_json
from vitbench.system.logs import notify

MOST_CONFUSED = 20  # pairs of classes that a contestant is shown with


def run(config: Config, results: Results) -> None:
    with atomic_write(results.root / "config.json") as path:
        path.write_text(config.model_dump_json(indent=2) + "\n")
    tables = collect(config, results)
    for name, table in tables.items():
        for kind, write in (("csv", table.to_csv), ("parquet", table.to_parquet)):
            with atomic_write(results.tables / f"{name}.{kind}") as path:
                write(path, index=False)
    if all(job.result_path(results).exists() for found in list_jobs(config) for job in found):
        _forget_checkpoints(results, tables["runs"], list_jobs(config)[0])
    unfinished = tables["runs"].query("status != 'completed'")
    for row in unfinished.itertuples():
        notify(f"{row.status}: {row.model} · {row.backend} · {row.execution} · seed {row.seed}: {row.error}")
    notify(f"tables: {len(tables['runs'])} runs, {len(unfinished)} of them not completed")


def _forget_checkpoints(results: Results, runs: pd.DataFrame, run_jobs: list[Job]) -> None:
    """Of runs that came to their end: what was kept in case that nobody heard of it."""
    for job, status in zip(run_jobs, runs["status"], strict=True):
        if status in ("completed", "diverged"):
            shutil.rmtree(results.checkpoint(*astuple(job)), ignore_errors=True)


def collect(config: Config, results: Results) -> dict[str, pd.DataFrame]:
    """The tables runs, epochs, throughput, parity, comparisons, failures, jobs, summaries and confusions."""
    run_jobs, timings = list_jobs(config)
    runs = pd.DataFrame([_found(config, results, job) for job in run_jobs], columns=COLUMNS["runs"])
    parity = _parity(config, results)
    throughput = _throughput(config, results, timings)
    unequal = _unequal(parity, runs, throughput)
    comparisons = compare_backends(runs, load_blocks(config, results, timings), config.statistics)
    return {
        "runs": runs,
        "epochs": _told(_epochs(config, results, run_jobs), unequal),
        "throughput": throughput,
        "parity": parity,
        "comparisons": _marked(comparisons, unequal),
        "failures": _failures(config, results, [*run_jobs, *timings]),
        "jobs": _jobs(config, results),
        "summaries": _told(summarize_accuracies(runs, config.statistics), unequal),
        "confusions": _confusions(results, runs),
    }


def _jobs(config: Config, results: Results) -> pd.DataFrame:
    """When each command of this experiment last began and ended, in the order of their beginning."""
    rows = [read_json(path) for path in (results.root / "logs").rglob("*.json")]
    jobs = pd.DataFrame(rows, columns=COLUMNS["jobs"]).sort_values("started_at", ignore_index=True)
    return jobs[[_takes_part(row, config) for row in jobs.itertuples()]]


def _takes_part(row, config: Config) -> bool:
    """Whether the config still asks for a job; what an earlier one asked for may lie beside it."""
    if pd.isna(row.model):
        return True
    if row.model not in config.models.parameters():
        return False
    backends = {backend for model, backend in config.model_backends() if model == row.model}
    known = {
        "backend": backends | {config.reference_backend(row.model)},
        "execution": {*config.model_executions(row.model).train, *config.model_executions(row.model).throughput},
        "precision": set(config.precisions),
        "seed": set(config.model_seeds(row.model)),
    }
    return all(pd.isna(value := getattr(row, key)) or value in values for key, values in known.items())


def _found(config: Config, results: Results, job: Job) -> dict:
    """The result of `job`, or why there is none."""
    if job.result_path(results).exists():
        return read_json(job.result_path(results))
    failure = find_failure(config, results, job)
    assert failure is not None, "a job without a result has failed"
    return job.key_columns(config) | {"status": failure.status, "error": failure.error}


def _failures(config: Config, results: Results, all_jobs: list[Job]) -> pd.DataFrame:
    """A row per command that did not complete, with the number of jobs that ended with it and the end of its log."""
    found = Counter(failure for job in all_jobs if (failure := find_failure(config, results, job)))
    rows = [
        {**vars(failure), "names": " · ".join(failure.names), "jobs": jobs, "last_lines": failure.last_lines()}
        for failure, jobs in found.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS["failures"]).astype({"log": str})


def _epochs(config: Config, results: Results, run_jobs: list[Job]) -> pd.DataFrame:
    histories = []
    for job in run_jobs:
        path = results.run(*astuple(job)) / "history.csv"
        if path.exists() and len(history := pd.read_csv(path)):
            histories.append(history.assign(**job.key_columns(config)))
    columns = [column for column in COLUMNS["epochs"] if column != "parity_passed"]
    return pd.concat(histories)[columns] if histories else pd.DataFrame(columns=columns)


def _throughput(config: Config, results: Results, timings: list[Job]) -> pd.DataFrame:
    rows = []
    for job in timings:
        found = _found(config, results, job)
        keys = job.key_columns(config) | {k: found.get(k) for k in ("status", "device", "config_sha256", "error")}
        for measured in found.get("measurements") or [{}]:
            speeds = np.array([block["images"] / block["seconds"] for block in measured.get("blocks", [])])
            low, high = median_interval(speeds, config.statistics.confidence)
            interval = {"images_per_second_ci_low": low, "images_per_second_ci_high": high}
            rows.append(keys | measured | interval)
    return pd.DataFrame(rows, columns=COLUMNS["throughput"])


def _confusions(results: Results, runs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of classes that each contestant confuses most, over all its completed runs."""
    rows, by = [], COLUMNS["confusions"][:5]
    for keys, group in runs[runs["status"] == "completed"].groupby(by, sort=False):
        _, model, backend, execution, precision = keys
        paths = [results.predictions(model, backend, execution, precision, seed) for seed in group["seed"]]
        found = [load_predictions(path) for path in paths]
        if predicted := [classes[:, 0] for classes, _ in filter(None, found)]:
            labels = np.tile(np.load(results.labels("test")), len(predicted))
            names = read_json(results.manifest)["class_names"]
            for true, taken_for, *values in count_confusions(labels, np.concatenate(predicted), MOST_CONFUSED):
                rows.append((*keys, names[true], names[taken_for], *values))
    return pd.DataFrame(rows, columns=COLUMNS["confusions"])


def _unequal(parity: pd.DataFrame, *measured: pd.DataFrame) -> set[tuple[str, str]]:
    """The models and backends that are not shown to compute the same: failed, or measured though it is not known."""
    failed = parity[~parity["passed"].astype(bool)]
    in_spite = [rows[(rows["status"] == "completed") & rows["error"].notna()] for rows in measured]
    found = [rows[rows["execution"] != "native"] for rows in (failed, *in_spite)]
    return {keys for rows in found for keys in zip(rows["model"], rows["backend"], strict=True)}


def _told(table: pd.DataFrame, unequal: set[tuple[str, str]]) -> pd.DataFrame:
    """The table with a column that says whether what was trained had been shown to be the same."""
    return table.assign(parity_passed=[(row.model, row.backend) not in unequal for row in table.itertuples()])


def _marked(comparisons: pd.DataFrame, unequal: set[tuple[str, str]]) -> pd.DataFrame:
    """The comparisons, with a word in the verdict where a backend takes part in spite of its parity."""
    marks = [
        "; parity failed" if {(row.model, row.backend_a), (row.model, row.backend_b)} & unequal else ""
        for row in comparisons.itertuples()
    ]
    return comparisons.assign(verdict=comparisons["verdict"] + marks)


def _parity(config: Config, results: Results) -> pd.DataFrame:
    paths = [results.parity(model, backend) for model, backend in config.model_backends()]
    return pd.DataFrame(
        [row for p in paths if p.exists() for row in read_json(p)["quantities"]], columns=COLUMNS["parity"]
    )
