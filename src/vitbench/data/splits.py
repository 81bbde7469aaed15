"""Which images are used for training, for validation and for the test."""

import numpy as np

from vitbench.results.paths import Results
from vitbench.system.files import read_json
from vitbench.system.logs import UserError


def load_splits(results: Results, validation_fraction: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(images, labels) of train, validation and test; validation is the last part of the training images.

    images: uint8 (n, H, W, 3), memory-mapped. labels: int32 (n,). Raises UserError if their number differs from the
    manifest's.
    """
    arrays = {}
    for name in ("train", "test"):
        arrays[name] = tuple(np.load(path, mmap_mode="r") for path in (results.images(name), results.labels(name)))
    if results.manifest.exists():
        manifest = read_json(results.manifest)
        for name, (images, labels) in arrays.items():
            expected = manifest[f"{name}_images"]
            if not len(images) == len(labels) == expected:
                raise UserError(
                    f"{results.root / 'data'} holds {len(images)} {name} images and {len(labels)} labels, but the "
                    f"manifest says {expected}; run the step data again"
                )
    images, labels = arrays["train"]
    start = validation_start(len(images), validation_fraction)
    return {
        "train": (images[:start], labels[:start]),
        "validation": (images[start:], labels[start:]),
        "test": arrays["test"],
    }


def validation_start(n: int, validation_fraction: float) -> int:
    """The index of the first of `n` training images that is held out, as by `validation_split` in Keras."""
    return int(n * (1 - validation_fraction))
