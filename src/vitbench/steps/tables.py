"""tables: collects all results in pandas tables. Every run of the config is a row, completed or not."""

import shutil
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd

from vitbench.analysis.load import load_hits
from vitbench.analysis.speeds import add_utilisation, compare_controls, summarize_rounds
from vitbench.analysis.statistics import compare_backends, summarize_accuracies
from vitbench.config.schema import Config
from vitbench.execution.plans import was_plan_measured
from vitbench.results.failures import find_failure
from vitbench.results.jobs import Job, list_measurements, list_runs, sort_measurements
from vitbench.results.paths import Results
from vitbench.results.predictions import count_confusions, load_predictions
from vitbench.results.schema import COLUMNS
from vitbench.results.tables import as_table, cast_table, write_table
from vitbench.system.files import atomic_write, read_json
from vitbench.system.logs import notify

MOST_CONFUSED = 20  # pairs of classes of each configuration


def run(config: Config, results: Results) -> None:
    """Writes config.json and each table as CSV and Parquet, and deletes the checkpoints of finished runs."""
    with atomic_write(results.root / "config.json") as path:
        path.write_text(config.model_dump_json(indent=2) + "\n")
    tables = build_tables(config, results)
    for name, table in tables.items():
        write_table(results, name, table)
    runs, measurements = list_runs(config), list_measurements(config)
    if all(job.result_path(results).exists() for job in (*runs, *measurements)):
        _delete_checkpoints(results, tables["runs"], runs)
    unfinished = tables["runs"].query("status != 'completed'")
    for row in unfinished.itertuples():
        notify(f"{row.status}: {row.model} · {row.backend} · {row.execution} · seed {row.seed}: {row.error}")
    notify(f"tables: {len(tables['runs'])} runs, {len(unfinished)} of them not completed")


def build_tables(config: Config, results: Results) -> dict[str, pd.DataFrame]:
    """Every table of vitbench.results.schema by its name, with the dtypes of the schema."""
    run_jobs, measurements = list_runs(config), list_measurements(config)
    runs = as_table("runs", [_load_row(config, results, job) for job in run_jobs])
    parity = _build_parity(config, results)
    rounds = _build_rounds(config, results, sort_measurements(config, measurements))
    throughput = add_utilisation(summarize_rounds(rounds, config.statistics))
    failed_parity = _find_failed_parity(parity, runs, throughput)
    hits = load_hits(results.root, runs)
    comparisons = compare_backends(runs, rounds, config.statistics, hits)
    summaries = summarize_accuracies(runs, config.statistics, hits)
    tables = {
        "runs": runs,
        "epochs": _add_parity_passed(_build_epochs(config, results, run_jobs), failed_parity),
        "throughput": throughput,
        "rounds": rounds,
        "controls": compare_controls(rounds, config.statistics),
        "parity": parity,
        "comparisons": _mark_verdicts(comparisons, failed_parity),
        "failures": _build_failures(config, results, [*run_jobs, *measurements]),
        "jobs": _build_jobs(config, results),
        "summaries": _add_parity_passed(summaries, failed_parity),
        "confusions": _build_confusions(results, runs),
    }
    for name in ("runs", "throughput", "rounds"):
        tables[name] = _add_plan_measured(tables[name], results)
    return {name: cast_table(name, table) for name, table in tables.items()}


def _delete_checkpoints(results: Results, runs: pd.DataFrame, jobs: list[Job]) -> None:
    """Deletes the results that finished runs saved in case the workflow was stopped before it noticed their end."""
    for job, status in zip(jobs, runs["status"], strict=True):
        if status in ("completed", "diverged"):
            shutil.rmtree(results.checkpoint(*job.run_key), ignore_errors=True)


def _load_row(config: Config, results: Results, job: Job) -> dict:
    """The result of `job`, or the reason why there is none."""
    if job.result_path(results).exists():
        return read_json(job.result_path(results))
    failure = find_failure(config, results, job)
    assert failure is not None  # a job without a result has failed
    return job.key_columns(config) | {"status": failure.status, "error": failure.error}


def _build_epochs(config: Config, results: Results, jobs: list[Job]) -> pd.DataFrame:
    histories = []
    for job in jobs:
        path = results.run(*job.run_key) / "history.csv"
        if path.exists() and len(history := pd.read_csv(path)):
            histories.append(history.assign(**job.key_columns(config)))
    columns = [column for column in COLUMNS["epochs"] if column != "parity_passed"]
    return pd.concat(histories)[columns] if histories else pd.DataFrame(columns=columns)


def _build_rounds(config: Config, results: Results, jobs: list[Job]) -> pd.DataFrame:
    """A row per round, phase and batch size of each configuration; one row for a round without a measurement."""
    rows = []
    for job in jobs:
        result = _load_row(config, results, job)
        keys = job.key_columns(config)
        keys |= {key: result.get(key) for key in ("status", "device", "config_sha256", "started_at", "finished_at")}
        keys |= {"error": result.get("error"), "hostname": result.get("environment", {}).get("hostname")}
        for measured in result.get("measurements") or [{}]:
            speeds = np.array([block["images"] / block["seconds"] for block in measured.get("blocks", [])])
            spread = speeds.std(ddof=1) / speeds.mean() if len(speeds) > 1 else None
            error = measured.get("error") or keys["error"]
            rows.append(keys | measured | {"block_spread": spread, "error": error})
    return as_table("rounds", rows)


def _build_parity(config: Config, results: Results) -> pd.DataFrame:
    rows = []
    for model, backend in config.model_backends():
        path = results.parity(model, backend)
        rows += read_json(path)["quantities"] if path.exists() else []
    return as_table("parity", rows)


def _build_failures(config: Config, results: Results, jobs: list[Job]) -> pd.DataFrame:
    """A row per command that did not complete, with the number of jobs that depended on it and the end of its log."""
    counts = Counter(failure for job in jobs if (failure := find_failure(config, results, job)))
    rows = []
    for failure, n in counts.items():
        names = " · ".join(failure.names)
        rows.append({**vars(failure), "names": names, "jobs": n, "last_lines": failure.last_lines()})
    return as_table("failures", rows)


def _build_jobs(config: Config, results: Results) -> pd.DataFrame:
    """When each command of this experiment last ran, in the order of their starts."""
    rows = [read_json(path) for path in (results.root / "logs").rglob("*.json")]
    jobs = as_table("jobs", rows).sort_values("started_at", ignore_index=True)
    return jobs[[_takes_part(row, config) for row in jobs.itertuples()]]


def _takes_part(row, config: Config) -> bool:
    """Whether the config still asks for a job. The folder may hold logs of an earlier config."""
    if pd.isna(row.model):
        return True
    if row.model not in config.models.parameters():
        return False
    backends = {backend for model, backend in config.model_backends() if model == row.model}
    executions = config.model_executions(row.model)
    allowed = {
        "backend": backends | {config.reference_backend(row.model)},
        "execution": {*executions.train, *executions.throughput},
        "precision": set(config.precisions),
        "seed": set(config.model_seeds(row.model)),
    }
    return all(pd.isna(value := getattr(row, key)) or value in values for key, values in allowed.items())


def _build_confusions(results: Results, runs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of classes that each configuration confuses most often, over all its completed runs."""
    rows, keys = [], COLUMNS["confusions"][:5]
    for names, group in runs[runs["status"] == "completed"].groupby(keys, sort=False):
        _, model, backend, execution, precision = names
        paths = [results.predictions(model, backend, execution, precision, seed) for seed in group["seed"]]
        predictions = [load_predictions(path) for path in paths]
        if predicted := [classes[:, 0] for classes, _ in filter(None, predictions)]:
            labels = np.tile(np.load(results.labels("test")), len(predicted))
            class_names = read_json(results.manifest)["class_names"]
            confusions = count_confusions(labels, np.concatenate(predicted), MOST_CONFUSED)
            for true, mistaken, images, share in confusions:
                rows.append((*names, class_names[true], class_names[mistaken], images, share))
    return pd.DataFrame(rows, columns=COLUMNS["confusions"])


def _find_failed_parity(parity: pd.DataFrame, *measured: pd.DataFrame) -> set[tuple[str, str]]:
    """The models and backends that failed parity, or were measured although parity could not be computed."""
    failed = parity[~parity["passed"].astype(bool)]
    warned = [rows[(rows["status"] == "completed") & rows["error"].notna()] for rows in measured]
    keras_rows = [rows[rows["execution"] != "native"] for rows in (failed, *warned)]
    return {keys for rows in keras_rows for keys in zip(rows["model"], rows["backend"], strict=True)}


def _add_parity_passed(table: pd.DataFrame, failed_parity: set[tuple[str, str]]) -> pd.DataFrame:
    return table.assign(parity_passed=[(row.model, row.backend) not in failed_parity for row in table.itertuples()])


def _add_plan_measured(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    @cache
    def is_measured(model: str, backend: str, precision: str) -> bool | None:
        path = results.tune(model, backend, precision)
        return was_plan_measured(read_json(path)) if path.exists() else None

    measured = [
        is_measured(row.model, row.backend, row.precision) if row.execution == "tuned" else None
        for row in table.itertuples()
    ]
    return table.assign(plan_measured=pd.array(measured, dtype="boolean"))


def _mark_verdicts(comparisons: pd.DataFrame, failed_parity: set[tuple[str, str]]) -> pd.DataFrame:
    """The comparisons, with a remark in the verdict if one of the backends failed parity."""
    remarks = [
        "; parity failed" if {(row.model, row.backend_a), (row.model, row.backend_b)} & failed_parity else ""
        for row in comparisons.itertuples()
    ]
    return comparisons.assign(verdict=comparisons["verdict"] + remarks)
