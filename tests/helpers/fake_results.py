"""A made-up results directory: what the steps up to `tables` leave behind, with figures that nobody measured."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vitbench.analysis.load import COLUMNS
from vitbench.analysis.speeds import compare_backend_speeds
from vitbench.analysis.statistics import summarize_accuracies
from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.results.predictions import save_predictions
from vitbench.results.schema import SCHEMA_VERSION

SPEEDS = {"jax": 1234.0, "torch": 771.0, "tensorflow": 1028.0}
DEVICE = "Made-up CPU @ 3.00 GHz"
_SHARES = ("input_seconds_share", "host_seconds_share", "compute_seconds_share")
_BEGAN_ENDED = {"started": "10", "finished": "30"}


def config(seeds: Sequence[int] = (0, 1), title: str = "A made-up experiment", **changes) -> Config:
    return Config.model_validate(
        {
            "experiment": "made-up",
            "dataset": {"source": "digits", "name": "digits"},
            "models": {"vit": {"image_size": 24, "patch_size": 4}, "resnet50v2": {"image_size": 32}},
            "seeds": list(seeds),
            "training": {"epochs": 5, "batch_size": 64},
            "report": {"title": title},
            **changes,
        }
    )


def tables(
    settings: Config,
    failed: Collection[tuple[str, int]] = (),
    gated: Collection[str] = (),
    missing: Collection[str] = (),
    speeds: dict[str, float] = SPEEDS,
    too_large: Collection[tuple[str, int]] = (),
    verdict: str = "inconclusive",
    scatter: float = 0.01,
) -> dict[str, pd.DataFrame]:
    """The tables of `settings`. failed: (backend, seed) of runs; too_large: (backend, batch size); others: backends."""
    random = np.random.default_rng(0)
    rows: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    for model, backend in settings.model_backends():
        if backend in missing:
            continue
        keys = {
            **{"schema_version": SCHEMA_VERSION, "experiment": settings.experiment, "dataset": settings.dataset.name},
            **{"model": model, "backend": backend, "execution": "tuned", "precision": "float32"},
        }
        for seed in settings.model_seeds(model):
            status = "gated" if backend in gated else "failed" if (backend, seed) in failed else "completed"
            run = {**keys, "seed": seed, "status": status, "device": DEVICE, "python_version": "3.12.1"}
            if status != "completed":
                rows["runs"].append(run | {"error": f"MemoryError: <b>{status}</b> on purpose"})
                continue
            accuracy = 0.95 + random.normal(0, 0.004)
            rows["runs"].append(
                run
                | {"parameters": 345_678, "epochs": 5, "best_epoch": 4, "best_val_accuracy": accuracy + 0.002}
                | {"test_loss": 0.2, "test_accuracy": accuracy, "test_top5_accuracy": accuracy + 0.04}
                | {"train_images_per_second": speeds[backend] * 0.9, "epoch_seconds_median": 1293 / speeds[backend]}
                | {"first_step_seconds": 4.2, "import_seconds": 2.1, "total_seconds": 21.5}
                | {"peak_host_memory_bytes": 1.3e9, "peak_device_memory_bytes": None}
            )
            taken = {"true_class": "seven", "predicted_class": "one", "images": 3, "share": 0.25}
            if seed == settings.model_seeds(model)[0]:
                names = ("experiment", "model", "backend", "execution", "precision")
                rows["confusions"].append({name: keys[name] for name in names} | taken)
            for epoch in range(1, settings.training.epochs + 1):
                fall = np.exp(-0.5 * epoch) + random.normal(0, 0.01)
                rows["epochs"].append(
                    {**keys, "seed": seed, "epoch": epoch, "loss": 2.4 * fall + 0.1, "val_loss": 2.1 * fall + 0.15}
                    | {"accuracy": 0.97 - 0.8 * fall, "val_accuracy": 0.96 - 0.7 * fall}
                    | {"top5_accuracy": 0.99 - 0.5 * fall, "val_top5_accuracy": 0.99 - 0.4 * fall}
                    | {"train_seconds": 1.1, "validation_seconds": 0.1, "learning_rate": 1e-3}
                )
        for execution in settings.timed_executions(model, backend):
            timed = keys | {"execution": execution, "status": "gated" if backend in gated else "completed"}
            if backend in gated:
                rows["throughput"].append(timed | {"error": "parity failed"})
                continue
            for phase, size in ((p, s) for p in ("train", "infer") for s in settings.batch_sizes()):
                if (backend, size) in too_large:
                    lost = {"phase": phase, "batch_size": size, "status": "out_of_memory", "error": "no room"}
                    rows["throughput"].append(timed | lost)
                    continue
                speed = speeds[backend] * (3 if phase == "infer" else 1) * (0.6 if execution == "published" else 1)
                rows["throughput"].append(
                    timed
                    | {"phase": phase, "batch_size": size, "warmup_steps": 10, "timed_steps": 100}
                    | {"images_per_second": speed}
                    | {"images_per_second_ci_low": 0.98 * speed, "images_per_second_ci_high": 1.02 * speed}
                    | {"step_seconds_p50": size / speed, "step_seconds_p95": 1.1 * size / speed}
                    | {"import_seconds": 2.1, "build_seconds": 0.4, "first_step_seconds": 4.2, "recompile_seconds": 3.0}
                    | {"flops_per_image": 1.2e9, "achieved_flops_per_second": 1.2e9 * speed, "mfu": 0.31}
                    | dict.fromkeys(_SHARES if phase == "train" and execution != "native" else (), 1 / 3)
                    | {"peak_host_memory_bytes": 1.3e9}
                )
            rows["parity"].append(
                {"model": model, "backend": backend, "reference_backend": "jax", "execution": execution}
                | {"precision": "float32"}
                | {"quantity": "logits", "max_abs_difference": 3.1e-6, "max_rel_difference": 1.4e-6}
                | {"cosine": 1.0, "tolerance": 1e-4, "passed": True}
            )
    for n, (step, backend) in enumerate([("data", None), *(("train", b) for b in settings.backends)]):
        row = {"step": step, "backend": backend, "total_seconds": 20.0}
        rows["jobs"].append(row | {f"{e}_at": f"2026-01-01T00:0{n}:{s}+00:00" for e, s in _BEGAN_ENDED.items()})
    present = [b for b in settings.backends if b not in missing and b not in gated]
    for a, b in [(a, b) for i, a in enumerate(present) for b in present[i + 1 :]]:
        row = {"experiment": settings.experiment, "model": "vit", "execution": "tuned", "precision": "float32"}
        row |= {"metric": "test_accuracy", "backend_a": a, "backend_b": b, "n": len(settings.seeds), "test": "paired t"}
        row |= {"difference": 0.021, "ci_low": 0.01, "ci_high": 0.032, "p_value": 0.01, "verdict": verdict}
        if len(settings.seeds) < 2:
            row |= {"ci_low": None, "ci_high": None, "p_value": None, "verdict": "no verdict: one seed"}
        rows["comparisons"].append(row)
    made = {name: pd.DataFrame(rows[name], columns=COLUMNS[name]) for name in COLUMNS}
    speeds = compare_backend_speeds(_blocks(made["throughput"], scatter), settings.statistics)
    made["comparisons"] = pd.DataFrame([*rows["comparisons"], *speeds], columns=COLUMNS["comparisons"])
    made["summaries"] = summarize_accuracies(made["runs"], settings.statistics)
    return made


def _factors(scatter: float) -> np.ndarray:
    """Of the speeds of five blocks of a measurement."""
    return 1 + scatter * np.linspace(-1, 1, 5)


def _blocks(throughput: pd.DataFrame, scatter: float) -> pd.DataFrame:
    """Five blocks of each measurement, around its speed."""
    done = throughput[throughput["status"] == "completed"]
    return pd.concat([done.assign(images_per_second=done["images_per_second"] * f) for f in _factors(scatter)])


def directory(root: Path, settings: Config, class_name: str = "seven", **options) -> Path:
    """Writes a whole results directory below `root` and returns it; `options` are those of `tables`."""
    results = Results(root / settings.experiment)
    made = tables(settings, **options)
    results.tables.mkdir(parents=True)
    for name, table in made.items():
        table.to_parquet(results.tables / f"{name}.parquet", index=False)
    _write(results.root / "config.json", settings.model_dump(mode="json"))
    manifest = {
        "source": "digits",
        "name": "digits",
        "train_images": 1437,
        "test_images": 360,
        "image_shape": [8, 8, 3],
    }
    manifest |= {
        "class_names": [class_name] * 3 + ["eight"] * 7,
        "normalization": {"mean": [80.0] * 3, "variance": [900.0] * 3},
    }
    manifest["sha256"] = {name: "1" * 64 for name in ("x_train", "y_train", "x_test", "y_test")}
    _write(results.manifest, manifest)
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    for split in ("train", "test"):
        np.save(results.images(split), images)
        np.save(results.labels(split), np.arange(12, dtype=np.int32) % 10)
    timed = made["throughput"][made["throughput"]["status"] == "completed"]
    for keys, group in timed.groupby(["model", "backend", "execution", "precision"]):
        measured = [
            {"phase": row.phase, "batch_size": row.batch_size}
            | {"blocks": [{"images": row.images_per_second * f, "seconds": 1.0} for f in _factors(0.01)]}
            for row in group.itertuples()
        ]
        environment = {"hostname": "made-up", "execution": {"backend": keys[1]}}
        _write(results.throughput(*keys), {"measurements": measured, "environment": environment})
    for row in made["runs"].itertuples():
        path = results.run(row.model, row.backend, row.execution, row.precision, row.seed) / "environment.json"
        packages = {"keras": "3.15.1", row.backend: "1.2.3"}
        environment = {"hostname": "made-up", "cpu": {"model": DEVICE, "logical_cores": 2}, "memory_bytes": 8 << 30}
        executed = {"backend": row.backend, "jit_compile_effective": row.backend == "jax", "layers_without_jit": []}
        environment |= {"gpus": [], "packages": packages, "variables": {"KERAS_BACKEND": row.backend}}
        _write(path, environment | {"execution": executed})
        if row.status == "completed":
            save_predictions(path.with_name("predictions.npz"), random.normal(0, 2, (12, 10)))
        plans = [{"plan": {"jit_compile": jit}, "status": "measured", "error": None} for jit in (False, True)]
        plans[0] |= {"startup_seconds": 1.2, "step_seconds": 0.021, "predicted_seconds": 8.1}
        plans[1] |= {"status": "abandoned", "error": "after 8.1 s, since by then the best so far would have finished"}
        tuned = {"candidates": plans, "plan": plans[0]["plan"], "reason": "least predicted time, 8.1 s, of 1 measured"}
        _write(results.tune(row.model, row.backend, row.precision), tuned)
    return results.root


def _write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
