"""What a data set must look like: the arrays that every source returns are checked, converted and described here."""

import hashlib

import numpy as np

from vitbench.data.splits import validation_start
from vitbench.system.logs import UserError, notify

# x_train, x_test: uint8 (n, height, width, 3); y_train, y_test: integers (n,).
Arrays = dict[str, np.ndarray]

CHUNK_PIXELS = 4096 * 32 * 32  # np.bincount needs 8 bytes for each


class DataError(UserError):
    """The data is missing or unusable. The message, one sentence, names the file or array and what is expected."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))  # damaged file names and library errors have line breaks


def error_text(error: Exception) -> str:
    """The message of `error`, or its type if the message is empty."""
    return str(error) or type(error).__name__


def check_arrays(arrays: Arrays, class_names: list[str]) -> Arrays:
    """The arrays in the types that every later step relies on: images contiguous, labels int32.

    Raises DataError, which names the array, if the images or labels cannot be used.
    """
    for split in ("train", "test"):
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if len(x) == 0:
            raise DataError(f"x_{split} contains no images")
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] != 3 or x.size == 0:
            raise DataError(
                f"x_{split}: expected images as uint8 (n, height, width, 3), 0–255, but got {x.dtype} {x.shape}"
            )
        if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
            raise DataError(f"y_{split}: expected {len(x)} integers, but got {y.dtype} {y.shape}")
        if y.min() < 0 or y.max() >= len(class_names):
            raise DataError(
                f"y_{split}: expected labels from 0 to {len(class_names) - 1} for {len(class_names)} class names, "
                f"but got labels from {y.min()} to {y.max()}"
            )
    train, test = (arrays[f"x_{split}"].shape[1:] for split in ("train", "test"))
    if train != test:
        raise DataError(f"x_test: the images have shape {test}, but those of x_train have shape {train}")
    if len(class_names) < 2:
        raise DataError("y_train: there is only one class, so there is nothing to learn; expected two or more")
    # Column-major images would be saved column-major, and each batch would be read from all over the file.
    return {
        name: array.astype(np.int32) if name.startswith("y") else np.ascontiguousarray(array)
        for name, array in arrays.items()
    }


def describe_arrays(arrays: Arrays, class_names: list[str], validation_fraction: float) -> dict:
    """What the manifest records about the split of the images. Doubtful facts are also printed.

    Raises DataError if the split leaves no image for training or for validation.
    """
    n = len(arrays["x_train"])
    start = validation_start(n, validation_fraction)
    if start == 0 or start == n:
        raise DataError(
            f"dataset.validation_fraction {validation_fraction:g} of {n} training images leaves {start} for "
            f"training and {n - start} for validation; both need at least one"
        )
    labels = {"training": arrays["y_train"][:start], "validation": arrays["y_train"][start:], "test": arrays["y_test"]}
    classes = np.arange(len(class_names))
    missing = {split: np.setdiff1d(classes, present).tolist() for split, present in labels.items()}
    for split, absent in missing.items():
        if absent:
            example = class_names[absent[0]]
            notify(f"data: {len(absent)} of {len(classes)} classes have no {split} image, for example {example}")
    duplicates = count_overlap(arrays["x_train"], arrays["x_test"])
    if duplicates:
        n_test = len(arrays["x_test"])
        share = duplicates / n_test
        notify(f"data: {duplicates:,} of {n_test:,} test images ({share:.1%}) are also among the training images")
    return {
        "validation_images": n - start,
        "classes_without_images": missing,
        "test_images_in_train": duplicates,
    }


def count_overlap(train: np.ndarray, test: np.ndarray) -> int:
    """The number of images in `test` (n, H, W, 3) that equal an image in `train` (m, H, W, 3), pixel by pixel."""
    known = {hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in train}
    return sum(hashlib.blake2b(image.tobytes(), digest_size=16).digest() in known for image in test)


def even_subset(labels: np.ndarray, n: int) -> np.ndarray:
    """int64 (n,): ascending indices of `n` images, the classes as even as their sizes allow, drawn with seed 0.

    labels: integers (m,). Raises DataError if m < n.
    """
    if n > len(labels):
        raise DataError(f"dataset.subset is {n}, but there are only {len(labels)} training images")
    shuffled = np.random.default_rng(0).permutation(len(labels))
    # Take the images by their rank within the class: the first of every class, then the second of every class, …
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[np.argsort(rank, kind="stable")[:n]])


def channel_moments(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and variance of each channel over all pixels of uint8 (n, H, W, C), in float64.

    These are what `keras.layers.Normalization.adapt` computes. They are taken from the histogram of each channel, so
    the images are never converted to floats as a whole.
    """
    levels, channels = np.arange(256), range(images.shape[-1])
    histograms = [np.zeros(256, np.int64) for _ in channels]
    chunk_size = max(1, CHUNK_PIXELS // (images.shape[1] * images.shape[2]))
    for start in range(0, len(images), chunk_size):
        for c in channels:
            histograms[c] += np.bincount(images[start : start + chunk_size, ..., c].ravel(), minlength=256)
    means = [float(np.average(levels, weights=counts)) for counts in histograms]
    variances = [
        float(np.average((levels - mean) ** 2, weights=counts)) for mean, counts in zip(means, histograms, strict=True)
    ]
    return means, variances
