"""Which images are for training, for validation and for the test."""

import numpy as np

from vitbench.results import Results


def split(results: Results, validation_fraction: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(images, labels) of train, validation and test; validation is the last part of the training images.

    images uint8 (n, H, W, 3), mapped from the disk; labels int32 (n,).
    """
    images, labels = (np.load(path, mmap_mode="r") for path in (results.images("train"), results.labels("train")))
    cut = first_held_out(len(images), validation_fraction)
    return {
        "train": (images[:cut], labels[:cut]),
        "validation": (images[cut:], labels[cut:]),
        "test": tuple(np.load(path, mmap_mode="r") for path in (results.images("test"), results.labels("test"))),
    }


def first_held_out(n: int, validation_fraction: float) -> int:
    """The index of the first of `n` training images that is held out, as Keras' validation_split cuts."""
    return int(n * (1 - validation_fraction))
