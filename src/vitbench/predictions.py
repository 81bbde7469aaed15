"""What a run predicts for each test image, and which classes it takes for which."""

from pathlib import Path

import numpy as np

from vitbench.results import whole

MOST_PROBABLE = 5


def write(path: Path, logits: np.ndarray) -> None:
    """Keeps the most probable classes of each image, the likeliest first, with their probabilities.

    logits: float (n, classes). The file has `classes`, int16 (n, k), and `probabilities`, float32 (n, k), with k = 5
    or, if there are fewer, the number of classes.
    """
    classes = np.argsort(-logits, axis=1, kind="stable")[:, :MOST_PROBABLE]
    largest = logits.max(axis=1, keepdims=True)
    shifted = np.exp(logits - largest)  # none overflows
    chosen = np.take_along_axis(shifted, classes, axis=1) / shifted.sum(axis=1, keepdims=True)
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, classes=classes.astype(np.int16), probabilities=chosen.astype(np.float32))


def read(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """`classes` and `probabilities` of a file that `write` made; None if there is none."""
    if not path.exists():
        return None
    with np.load(path) as kept:
        return kept["classes"], kept["probabilities"]


def most_confused(labels: np.ndarray, predicted: np.ndarray, pairs: int) -> list[tuple[int, int, int, float]]:
    """True class, predicted class, images and share of the true class's images, of the likeliest mistakes, worst first.

    labels, predicted: int (n,), of one run or of several, one after the other.
    """
    n = int(max(labels.max(initial=0), predicted.max(initial=0))) + 1
    counts = np.bincount(labels.astype(np.int64) * n + predicted, minlength=n * n).reshape(n, n)
    images = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    worst = [np.unravel_index(place, counts.shape) for place in np.argsort(-counts, axis=None, kind="stable")[:pairs]]
    return [(int(t), int(p), int(counts[t, p]), float(counts[t, p] / images[t])) for t, p in worst if counts[t, p]]
