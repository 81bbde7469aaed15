"""What a start costs before the first image is trained at full speed, and after how many epochs it has paid off."""

import pandas as pd

COLD = ["import_seconds", "build_seconds", "first_step_seconds"]
KEYS = ["model", "precision", "batch_size"]
PAUSE_SECONDS = 600  # a longer one is between two calls of the workflow


def costs(throughput: pd.DataFrame, train_images: int | None) -> pd.DataFrame:
    """A row per completed training measurement of a Keras execution, with three more columns.

    cold_seconds: import, build and first step. epoch_seconds: one pass over `train_images` in steady state.
    break_even_epochs: of the same model, precision and batch size, the one with the least cold cost is the yardstick;
    after so many epochs this one has made up for its dearer start. 0 for the yardstick and for what starts as cheaply,
    infinite for what is not faster either, null where the number of images is not known.
    """
    known = (throughput["phase"] == "train") & (throughput["status"] == "completed")
    found = throughput[known & (throughput["execution"] != "native")].dropna(subset=COLD).copy()
    found["cold_seconds"] = found[COLD].sum(axis=1)
    found["epoch_seconds"] = (train_images or float("nan")) / found["images_per_second"]
    found["break_even_epochs"] = float("nan")
    for _, group in found.groupby(KEYS):
        yardstick = group.loc[group["cold_seconds"].idxmin()]
        dearer = group["cold_seconds"] - yardstick["cold_seconds"]
        saved = yardstick["epoch_seconds"] - group["epoch_seconds"]
        epochs = (dearer / saved).where(saved > 0, float("inf")).where(dearer > 0, 0.0)
        found.loc[group.index, "break_even_epochs"] = epochs.where(saved.notna())
    return found


def between_commands(jobs: pd.DataFrame) -> tuple[float, float]:
    """Seconds in which one or more jobs ran; and those between them in which none did, long pauses left out."""
    began, ended = (pd.to_datetime(jobs[column], format="ISO8601") for column in ("started_at", "finished_at"))
    spans = sorted(zip(began, ended, strict=True))
    if not spans:
        return 0.0, 0.0
    busy, idle, end = 0.0, 0.0, spans[0][0]
    for began, finished in spans:
        gap = (began - end).total_seconds()
        idle += gap if 0 < gap <= PAUSE_SECONDS else 0.0
        busy += max(0.0, (finished - max(began, end)).total_seconds())
        end = max(end, finished)
    return busy, idle
