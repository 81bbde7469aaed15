"""What a start costs before the first image is trained at full speed, and after how many epochs it has paid off."""

import pandas as pd

COLD = ["import_seconds", "build_seconds", "first_step_seconds"]
KEYS = ["model", "precision", "batch_size"]


def startup_costs(throughput: pd.DataFrame, train_images: int | None) -> pd.DataFrame:
    """A row per completed training measurement of a Keras execution, with three more columns.

    startup_seconds: import, build and first step. epoch_seconds: one pass over `train_images` in steady state.
    break_even_epochs: of the same model, precision and batch size, the one with the least cold cost is the yardstick;
    after so many epochs this one has made up for its dearer start. 0 for the yardstick and for what starts as cheaply,
    infinite for what is not faster either, null where the number of images is not known.
    """
    known = (throughput["phase"] == "train") & (throughput["status"] == "completed")
    found = throughput[known & (throughput["execution"] != "native")].dropna(subset=COLD).copy()
    found["startup_seconds"] = found[COLD].sum(axis=1)
    found["epoch_seconds"] = (train_images or float("nan")) / found["images_per_second"]
    found["break_even_epochs"] = float("nan")
    for _, group in found.groupby(KEYS):
        yardstick = group.loc[group["startup_seconds"].idxmin()]
        dearer = group["startup_seconds"] - yardstick["startup_seconds"]
        saved = yardstick["epoch_seconds"] - group["epoch_seconds"]
        epochs = (dearer / saved).where(saved > 0, float("inf")).where(dearer > 0, 0.0)
        found.loc[group.index, "break_even_epochs"] = epochs.where(saved.notna())
    return found
