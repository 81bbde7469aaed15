"""What a run predicts for each test image, and which classes it confuses."""

from pathlib import Path

import numpy as np

from vitbench.system.files import atomic_write

TOP_CLASSES = 5


def save_predictions(path: Path, logits: np.ndarray) -> None:
    """Saves the most probable classes of each image, the likeliest first, with their probabilities.

    logits: float (n, classes). The file holds `classes`, int16 (n, k), and `probabilities`, float32 (n, k), where k is
    5 or, if that is smaller, the number of classes.
    """
    classes = np.argsort(-logits, axis=1, kind="stable")[:, :TOP_CLASSES]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))  # shifted, so that none overflows
    top = np.take_along_axis(exponentials, classes, axis=1) / exponentials.sum(axis=1, keepdims=True)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, classes=classes.astype(np.int16), probabilities=top.astype(np.float32))


def load_predictions(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """`classes` and `probabilities` of a file that `save_predictions` wrote; None if it does not exist."""
    if not path.exists():
        return None
    with np.load(path) as arrays:
        return arrays["classes"], arrays["probabilities"]


def find_hits(classes: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Whether each image was classified correctly, bool (n,), by the accuracy of which this is the mean.

    classes: as `load_predictions` returns them. labels: int (n,).
    """
    correct = classes == labels[:, None]
    return {"test_accuracy": correct[:, 0], "test_top5_accuracy": correct.any(axis=1)}


def count_confusions(labels: np.ndarray, predicted: np.ndarray, pairs: int) -> list[tuple[int, int, int, float]]:
    """The `pairs` most frequent mistakes: true class, predicted class, images, and share of the true class's images.

    labels, predicted: int (n,), of one run, or of several concatenated.
    """
    n = int(max(labels.max(initial=0), predicted.max(initial=0))) + 1
    counts = np.bincount(labels.astype(np.int64) * n + predicted, minlength=n * n).reshape(n, n)
    images = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:pairs]
    confusions = [np.unravel_index(place, counts.shape) for place in order]
    return [(int(t), int(p), int(counts[t, p]), float(counts[t, p] / images[t])) for t, p in confusions if counts[t, p]]
