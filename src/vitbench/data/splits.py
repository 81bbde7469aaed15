"""Which images are for training, for validation and for the test."""

import numpy as np

from vitbench.results.paths import Results
from vitbench.system.files import read_json
from vitbench.system.logs import UserError


def load_splits(results: Results, validation_fraction: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(images, labels) of train, validation and test; validation is the last part of the training images.

    images uint8 (n, H, W, 3), mapped from the disk; labels int32 (n,). Raises UserError if there are not as many as the
    manifest says.
    """
    arrays = {}
    for name in ("train", "test"):
        arrays[name] = tuple(np.load(path, mmap_mode="r") for path in (results.images(name), results.labels(name)))
    if results.manifest.exists():
        manifest = read_json(results.manifest)
        for name, both in arrays.items():
            if {len(array) for array in both} != {manifest[f"{name}_images"]}:
                raise UserError(
                    f"{results.root / 'data'}: there are {len(both[0])} {name} images and {len(both[1])} labels, but "
                    f"the manifest says {manifest[f'{name}_images']}; run the step data again"
                )
    images, labels = arrays["train"]
    cut = validation_start(len(images), validation_fraction)
    return {
        "train": (images[:cut], labels[:cut]),
        "validation": (images[cut:], labels[cut:]),
        "test": arrays["test"],
    }


def validation_start(n: int, validation_fraction: float) -> int:
    """The index of the first of `n` training images that is held out, as Keras' validation_split cuts."""
    return int(n * (1 - validation_fraction))
