"""How long a run takes to reach an accuracy: validation accuracy over wall time, and the time to a target."""

import math

import pandas as pd

from vitbench.results.schema import CONFIGURATION_KEYS

RUN_KEYS = [*CONFIGURATION_KEYS, "seed"]


def add_wall_seconds(epochs: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """tables/epochs of completed runs, with wall_seconds from the start of the run's process to the end of each epoch.

    That is the sum of import, first step, training and validation. It does not include the second startup of a resumed
    run, the test and the writing of checkpoints.
    """
    runs = runs[runs["status"] == "completed"].drop_duplicates(RUN_KEYS)
    startup = runs[["import_seconds", "device_seconds", "first_step_seconds"]].sum(axis=1)
    startup_by_run = runs.assign(startup=startup)[[*RUN_KEYS, "startup"]]
    timed = epochs.merge(startup_by_run, on=RUN_KEYS, validate="many_to_one").sort_values("epoch", kind="stable")
    epoch_seconds = (timed["train_seconds"] + timed["validation_seconds"]).astype(float)
    by_run = epoch_seconds.groupby([timed[key] for key in RUN_KEYS])
    return timed.assign(wall_seconds=timed["startup"] + by_run.cumsum()).drop(columns="startup")


def target_accuracies(timed: pd.DataFrame, configured: float | None) -> dict[str, float]:
    """Model → target validation accuracy (0–1): the configured one, or the highest whole percent that all runs reach.

    timed: as `add_wall_seconds` returns it.
    """
    if configured is not None:
        return dict.fromkeys(timed["model"].unique(), configured)
    highest = timed.groupby(RUN_KEYS)["val_accuracy"].max().groupby("model").min()
    return {model: math.floor(100 * best + 1e-9) / 100 for model, best in highest.dropna().items()}


def time_to_target(timed: pd.DataFrame, targets: dict[str, float]) -> pd.DataFrame:
    """A row per configuration: the target, its runs, those that reached it, and their median epochs and wall seconds.

    timed: as `add_wall_seconds` returns it. targets: model → validation accuracy (0–1). seconds_least and
    seconds_largest are the range over the runs that reached the target.
    """
    rows = []
    for keys, group in timed.groupby(CONFIGURATION_KEYS, sort=False):
        target = targets.get(keys[0])
        if target is None:
            continue
        first = group[group["val_accuracy"] >= target].sort_values("epoch").groupby("seed").first()
        seconds = first["wall_seconds"]
        row = dict(zip(CONFIGURATION_KEYS, keys, strict=True))
        row |= {"target": target, "runs": group["seed"].nunique(), "reached": len(first)}
        row |= {"epochs": first["epoch"].median(), "seconds": seconds.median()}
        rows.append(row | {"seconds_least": seconds.min(), "seconds_largest": seconds.max()})
    columns = ["target", "runs", "reached", "epochs", "seconds", "seconds_least", "seconds_largest"]
    return pd.DataFrame(rows, columns=[*CONFIGURATION_KEYS, *columns])
