"""Rows of made-up result tables. The numbers are invented; each backend has a constant speed."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from vitbench.analysis.speeds import compare_backend_speeds
from vitbench.analysis.statistics import summarize_accuracies
from vitbench.backends.registry import BACKENDS
from vitbench.config.schema import Config
from vitbench.results.schema import COLUMNS, SCHEMA_VERSION
from vitbench.results.tables import as_table

SPEEDS = {"jax": 1234.0, "torch": 771.0, "tensorflow": 1028.0}  # images per second, tuned training
DEVICE = "Made-up CPU @ 3.00 GHz"
ROUNDS = 5
TRAIN_IMAGES = 1293

Row = dict[str, object]


def make_tables(
    config: Config,
    failed: Collection[tuple[str, int]] = (),
    gated: Collection[str] = (),
    missing: Collection[str] = (),
    speeds: Mapping[str, float] = SPEEDS,
    too_large: Collection[tuple[str, int]] = (),
    verdict: str = "inconclusive",
    scatter: float = 0.01,
) -> dict[str, pd.DataFrame]:
    """Every table of an experiment with `config`, by name.

    failed: runs that failed, as (backend, seed). gated, missing: backends that failed parity, or have no rows at all.
    speeds: images per second of tuned training, by backend.
    too_large: batch sizes for which memory ran out, as (backend, batch size).
    verdict: that of every comparison of accuracies.
    scatter: half the range of the speeds over rounds, relative to their mean.
    """
    random = np.random.default_rng(0)
    rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
    for model, backend in config.model_backends():
        if backend in missing:
            continue
        keys: Row = {
            "schema_version": SCHEMA_VERSION,
            "experiment": config.experiment,
            "dataset": config.dataset.name,
            "model": model,
            "backend": backend,
            "execution": "tuned",
            "precision": "float32",
        }
        for seed in config.model_seeds(model):
            status = "gated" if backend in gated else "failed" if (backend, seed) in failed else "completed"
            if status != "completed":
                rows["runs"].append(_unfinished_run(keys, seed, status))
                continue
            rows["runs"].append(_completed_run(keys, seed, speeds[backend], random))
            if seed == config.model_seeds(model)[0]:
                rows["confusions"].append(_confusion(keys))
            rows["epochs"].extend(_epochs(keys, seed, config.training.epochs, random))
        for execution in config.timed_executions(model, backend):
            timed = keys | {"execution": execution}
            if backend in gated:
                rows["throughput"].append(timed | {"status": "gated", "error": "parity failed"})
                continue
            sizes = {size: (backend, size) not in too_large for size in config.batch_sizes()}
            rows["throughput"].extend(_measurements(timed, speeds[backend], sizes))
            rows["parity"].append(_parity(model, backend, execution))
    rows["jobs"].append(_job("data", None, minute=0))
    rows["jobs"].extend(_job("train", backend, minute) for minute, backend in enumerate(config.backends, start=1))
    present = [backend for backend in config.backends if backend not in missing and backend not in gated]
    rows["comparisons"].extend(
        _accuracy_comparison(config, a, b, verdict) for i, a in enumerate(present) for b in present[i + 1 :]
    )
    tables = {name: pd.DataFrame(rows[name], columns=COLUMNS[name]) for name in COLUMNS}
    tables["rounds"] = as_table("rounds", _repeat_rounds(tables["throughput"], scatter).to_dict("records"))
    speed_rows = compare_backend_speeds(tables["rounds"], config.statistics)
    tables["comparisons"] = pd.DataFrame([*rows["comparisons"], *speed_rows], columns=COLUMNS["comparisons"])
    tables["summaries"] = summarize_accuracies(tables["runs"], config.statistics)
    return tables


def _unfinished_run(keys: Row, seed: int, status: str) -> Row:
    return keys | {
        "seed": seed,
        "status": status,
        "device": DEVICE,
        "python_version": "3.12.1",
        "error": f"MemoryError: <b>{status}</b> on purpose",
    }


def _completed_run(keys: Row, seed: int, speed: float, random: np.random.Generator) -> Row:
    accuracy = 0.95 + random.normal(0, 0.004)
    return keys | {
        "seed": seed,
        "status": "completed",
        "device": DEVICE,
        "python_version": "3.12.1",
        "parameters": 345_678,
        "epochs": 5,
        "best_epoch": 4,
        "best_val_accuracy": accuracy + 0.002,
        "test_loss": 0.2,
        "test_accuracy": accuracy,
        "test_top5_accuracy": accuracy + 0.04,
        "train_images_per_second": 0.9 * speed,
        "epoch_seconds_median": TRAIN_IMAGES / speed,
        "first_step_seconds": 4.2,
        "import_seconds": 2.0,
        "device_seconds": 0.1,
        "total_seconds": 21.5,
        "peak_host_memory_bytes": 1.3e9,
        "peak_device_memory_bytes": None,
    }


def _confusion(keys: Row) -> Row:
    columns = ("experiment", "model", "backend", "execution", "precision")
    counts: Row = {"true_class": "seven", "predicted_class": "one", "images": 3, "share": 0.25}
    return {name: keys[name] for name in columns} | counts


def _epochs(keys: Row, seed: int, epochs: int, random: np.random.Generator) -> Iterator[Row]:
    for epoch in range(1, epochs + 1):
        decline = np.exp(-0.5 * epoch) + random.normal(0, 0.01)
        yield keys | {
            "seed": seed,
            "epoch": epoch,
            "loss": 2.4 * decline + 0.1,
            "val_loss": 2.1 * decline + 0.15,
            "accuracy": 0.97 - 0.8 * decline,
            "val_accuracy": 0.96 - 0.7 * decline,
            "top5_accuracy": 0.99 - 0.5 * decline,
            "val_top5_accuracy": 0.99 - 0.4 * decline,
            "train_seconds": 1.1,
            "validation_seconds": 0.1,
            "learning_rate": 1e-3,
        }


def _measurements(keys: Row, tuned_speed: float, sizes: Mapping[int, bool]) -> Iterator[Row]:
    """The rows of one throughput measurement. sizes: whether each batch size fits in memory."""
    for phase in ("train", "infer"):
        for size, fits in sizes.items():
            row = keys | {"phase": phase, "batch_size": size}
            if not fits:
                yield row | {"status": "out_of_memory", "error": "no room"}
                continue
            speed = tuned_speed * (3 if phase == "infer" else 1) * (0.6 if keys["execution"] == "published" else 1)
            row |= {
                "status": "completed",
                "rounds": ROUNDS,
                "round_spread": 0.01,
                "block_spread": 0.02,
                "warmup_steps": 10,
                "timed_steps": 100,
                "images_per_second": speed,
                "images_per_second_ci_low": 0.98 * speed,
                "images_per_second_ci_high": 1.02 * speed,
                "step_seconds_p50": size / speed,
                "step_seconds_p95": 1.1 * size / speed,
                "import_seconds": 2.0,
                "device_seconds": 0.1,
                "build_seconds": 0.4,
                "first_step_seconds": 4.2,
                "recompile_seconds": 3.0,
                "flops_per_image": 1.2e9,
                "achieved_flops_per_second": 1.2e9 * speed,
                "mfu": 0.31,
                "peak_host_memory_bytes": 1.3e9,
            }
            if phase == "train" and keys["execution"] != "native":
                row |= {"input_seconds_share": 1 / 3, "host_seconds_share": 1 / 3, "compute_seconds_share": 1 / 3}
            yield row


def _parity(model: str, backend: str, execution: str) -> Row:
    return {
        "model": model,
        "backend": backend,
        "reference_backend": "jax",
        "execution": execution,
        "precision": "float32",
        "quantity": "logits",
        "max_abs_difference": 3.1e-6,
        "max_rel_difference": 1.4e-6,
        "cosine": 1.0,
        "tolerance": 1e-4,
        "passed": True,
    }


def _job(step: str, backend: str | None, minute: int) -> Row:
    return {
        "step": step,
        "backend": backend,
        "total_seconds": 20.0,
        "started_at": f"2026-01-01T00:0{minute}:10+00:00",
        "finished_at": f"2026-01-01T00:0{minute}:30+00:00",
    }


def _accuracy_comparison(config: Config, backend_a: str, backend_b: str, verdict: str) -> Row:
    has_several_seeds = len(config.seeds) > 1
    return {
        "experiment": config.experiment,
        "model": "vit",
        "execution": "tuned",
        "precision": "float32",
        "metric": "test_accuracy",
        "backend_a": backend_a,
        "backend_b": backend_b,
        "n": len(config.seeds),
        "test": "paired t",
        "difference": 0.021,
        "ci_low": 0.01 if has_several_seeds else None,
        "ci_high": 0.032 if has_several_seeds else None,
        "p_value": 0.01 if has_several_seeds else None,
        "verdict": verdict if has_several_seeds else "no verdict: one seed",
    }


def _repeat_rounds(throughput: pd.DataFrame, scatter: float) -> pd.DataFrame:
    """tables/rounds: each measurement in `ROUNDS` rounds, whose mean is the measured speed.

    The factors of a measurement are the same for all of a backend and differ between backends.
    """
    rounds = []
    factors = np.exp(scatter * np.linspace(-1, 1, ROUNDS))
    shift = throughput["backend"].map({backend: 2 * i for i, backend in enumerate(BACKENDS)})
    for number in range(1, ROUNDS + 1):
        factor = factors[(number + shift.to_numpy(int)) % ROUNDS]
        speeds = throughput["images_per_second"].astype(float) * factor
        rounds.append(throughput.assign(round=number, control=False, images_per_second=speeds, device=DEVICE))
    return pd.concat(rounds, ignore_index=True)
