"""How long a run takes to become accurate: validation accuracy over wall time, and when it reaches a target."""

import math

import pandas as pd

CONTESTANT = ["model", "backend", "execution", "precision"]
RUN = [*CONTESTANT, "seed"]


def add_wall_seconds(epochs: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """tables/epochs of completed runs, with wall_seconds: from the start of the run's process to each epoch's end.

    Import, first step, training and validation are in it; the second start of a resumed run, evaluation and the writing
    of checkpoints are not.
    """
    runs = runs[runs["status"] == "completed"].drop_duplicates(RUN)
    cold = runs.assign(cold=runs["import_seconds"].fillna(0) + runs["first_step_seconds"].fillna(0))[[*RUN, "cold"]]
    found = epochs.merge(cold, on=RUN, validate="many_to_one").sort_values("epoch", kind="stable")
    by_run = (found["train_seconds"] + found["validation_seconds"]).astype(float).groupby([found[key] for key in RUN])
    return found.assign(wall_seconds=found["cold"] + by_run.cumsum()).drop(columns="cold")


def target_accuracies(timed: pd.DataFrame, wanted: float | None) -> dict[str, float]:
    """Model → the validation accuracy (0–1) to reach: `wanted`, or the highest whole percent that all runs reach.

    timed: as `over_time` makes it.
    """
    if wanted is not None:
        return dict.fromkeys(timed["model"].unique(), wanted)
    reached = timed.groupby(RUN)["val_accuracy"].max().groupby("model").min()
    return {model: math.floor(100 * best + 1e-9) / 100 for model, best in reached.dropna().items()}


def time_to_target(timed: pd.DataFrame, wanted: dict[str, float]) -> pd.DataFrame:
    """A row per contestant: target, runs, runs that reached it, and of those the medians of epochs and wall seconds.

    timed: as `over_time` makes it. seconds_least and seconds_largest are over the runs that reached it.
    """
    rows = []
    for keys, group in timed.groupby(CONTESTANT, sort=False):
        target = wanted.get(keys[0])
        if target is None:
            continue
        first = group[group["val_accuracy"] >= target].sort_values("epoch").groupby("seed").first()
        seconds = first["wall_seconds"]
        rows.append(
            dict(zip(CONTESTANT, keys, strict=True))
            | {"target": target, "runs": group["seed"].nunique(), "reached": len(first)}
            | {"epochs": first["epoch"].median(), "seconds": seconds.median()}
            | {"seconds_least": seconds.min(), "seconds_largest": seconds.max()}
        )
    columns = ["target", "runs", "reached", "epochs", "seconds", "seconds_least", "seconds_largest"]
    return pd.DataFrame(rows, columns=[*CONTESTANT, *columns])
