"""Which backend finishes a training first, startup included, and from how many epochs on another one does."""

import itertools
import math

import numpy as np
import pandas as pd

from vitbench.analysis.speeds import examine_log_ratios, judge_speeds
from vitbench.analysis.startup import STARTUP_COLUMNS
from vitbench.config.report import Statistics


def predict_training_seconds(rounds: pd.DataFrame, epochs: int, train_images: int) -> pd.DataFrame:
    """The completed training rounds with startup_seconds, epoch_seconds and seconds, their sum over `epochs`.

    rounds: tables/rounds. train_images: per epoch. Validation, checkpoints and the test are not included.
    """
    is_training = (rounds["phase"] == "train") & (rounds["status"] == "completed") & ~rounds["control"].astype(bool)
    rows = rounds[is_training].dropna(subset=[*STARTUP_COLUMNS, "images_per_second"])
    startup = rows[STARTUP_COLUMNS].astype(float).sum(axis=1)
    epoch = train_images / rows["images_per_second"].astype(float)
    return rows.assign(startup_seconds=startup, epoch_seconds=epoch, seconds=startup + epochs * epoch)


def compare_training_times(predicted: pd.DataFrame, settings: Statistics) -> pd.DataFrame:
    """A row per pair of backends: how many times as fast backend_a finishes as backend_b, with interval and verdict.

    predicted: as `predict_training_seconds` returns it, for one model, execution mode, precision and batch size. Times
    are paired by round.
    """
    by_backend = dict(list(predicted.groupby("backend", sort=False)))
    family = []
    for a, b in itertools.combinations(by_backend, 2):
        pairs = by_backend[a].merge(by_backend[b], on=["round", "device"], suffixes=("_a", "_b"))
        logs = np.log((pairs["seconds_b"] / pairs["seconds_a"]).to_numpy(float))
        family.append({"backend_a": a, "backend_b": b} | examine_log_ratios(logs, settings))
    columns = ["backend_a", "backend_b", "n", "ratio", "ratio_ci_low", "ratio_ci_high", "verdict"]
    return pd.DataFrame(judge_speeds(family, settings), columns=columns)


def fastest_by_epochs(startup: pd.Series, epoch: pd.Series) -> list[tuple[str, int]]:
    """The backends that finish first for some number of epochs, each with the smallest such number, ascending.

    startup, epoch: seconds by backend.
    """
    backend = (startup + epoch).idxmin()
    fastest, epochs = [(str(backend), 1)], 1
    while True:
        # Only a backend with shorter epochs can overtake; the one that does so first is next.
        faster = epoch.index[epoch < epoch[backend]]
        overtaking = {
            other: math.floor((startup[other] - startup[backend]) / (epoch[backend] - epoch[other])) + 1
            for other in faster
        }
        if not overtaking:
            return fastest
        epochs = max(epochs + 1, min(overtaking.values()))
        backend = (startup + epochs * epoch)[list(overtaking)].idxmin()
        fastest.append((str(backend), epochs))
