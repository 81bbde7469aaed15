"""Time outside the steady state: startup, when a longer one pays off, and idle time between commands."""

import pandas as pd

STARTUP_COLUMNS = ["import_seconds", "device_seconds", "build_seconds", "first_step_seconds"]
PAUSE_SECONDS = 600  # a longer gap lies between two calls of the workflow or in a queue


def startup_costs(throughput: pd.DataFrame, train_images: int | None) -> pd.DataFrame:
    """The completed training measurements of the Keras execution modes with three more columns.

    startup_seconds: import, first tensor, build and first step.
    epoch_seconds: one pass over `train_images` in the steady state; null if their number is not known.
    break_even_epochs: epochs until faster epochs make up for a longer startup, compared with the shortest startup of
        the same model, precision and batch size. 0 for the shortest startup itself, infinite if the epochs are not
        faster, and null if `epoch_seconds` is.
    """
    is_training = (throughput["phase"] == "train") & (throughput["status"] == "completed")
    rows = throughput[is_training & (throughput["execution"] != "native")].dropna(subset=STARTUP_COLUMNS).copy()
    rows["startup_seconds"] = rows[STARTUP_COLUMNS].sum(axis=1)
    rows["epoch_seconds"] = (train_images or float("nan")) / rows["images_per_second"]
    rows["break_even_epochs"] = float("nan")
    for _, group in rows.groupby(["model", "precision", "batch_size"]):
        shortest = group.loc[group["startup_seconds"].idxmin()]
        longer = group["startup_seconds"] - shortest["startup_seconds"]
        saved = shortest["epoch_seconds"] - group["epoch_seconds"]
        epochs = (longer / saved).where(saved > 0, float("inf")).where(longer > 0, 0.0)
        rows.loc[group.index, "break_even_epochs"] = epochs.where(saved.notna())
    return rows


def busy_and_idle_seconds(jobs: pd.DataFrame) -> tuple[float, float]:
    """Seconds in which at least one job ran, and seconds between jobs in which none did.

    jobs: tables/jobs. Gaps of more than PAUSE_SECONDS are not counted.
    """
    starts, ends = (pd.to_datetime(jobs[column], format="ISO8601") for column in ("started_at", "finished_at"))
    spans = sorted(zip(starts, ends, strict=True))
    if not spans:
        return 0.0, 0.0
    busy, idle, latest = 0.0, 0.0, spans[0][0]
    for start, end in spans:
        gap = (start - latest).total_seconds()
        idle += gap if 0 < gap <= PAUSE_SECONDS else 0.0
        busy += max(0.0, (end - max(start, latest)).total_seconds())
        latest = max(latest, end)
    return busy, idle
