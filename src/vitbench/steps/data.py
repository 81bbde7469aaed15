"""data: the images as uint8 arrays, and a manifest that says what they are. The only step that may use the network."""

import hashlib

import numpy as np

from vitbench.config.schema import SCHEMA_VERSION, Config
from vitbench.data.errors import DataError
from vitbench.data.sources import SOURCES, Arrays
from vitbench.data.splits import validation_start
from vitbench.results.paths import Results
from vitbench.system.files import atomic_write, write_json
from vitbench.system.logs import notify

PIXELS_AT_ONCE = 4096 * 32 * 32  # np.bincount makes 8 bytes of each


def run(config: Config, results: Results) -> None:
    """Writes the arrays and, last, the manifest. Raises DataError before anything is written."""
    dataset = config.dataset
    arrays, class_names = SOURCES[dataset.source](dataset)
    arrays = check(arrays, class_names)
    if dataset.subset is not None:
        chosen = even_subset(arrays["y_train"], dataset.subset)
        arrays["x_train"], arrays["y_train"] = arrays["x_train"][chosen], arrays["y_train"][chosen]
    facts = examine(arrays, class_names, dataset.validation_fraction)
    mean, variance = channel_moments(arrays["x_train"])
    results.manifest.unlink(missing_ok=True)  # while arrays are exchanged, nothing says that they belong together
    checksums = {}
    for name, array in arrays.items():
        with atomic_write(results.root / "data" / f"{name}.npy") as path:
            with path.open("wb") as file:
                np.save(file, array)
            with path.open("rb") as file:
                checksums[f"{name}.npy"] = hashlib.file_digest(file, "sha256").hexdigest()
    write_json(
        results.manifest,
        {
            "schema_version": SCHEMA_VERSION,
            "settings": config.relevant("data"),
            "source": dataset.source,
            "name": dataset.name,
            "train_images": len(arrays["x_train"]),
            "test_images": len(arrays["x_test"]),
            "image_shape": list(arrays["x_train"].shape[1:]),
            "class_names": class_names,
            "normalization": {"mean": mean, "variance": variance},
            **facts,
            "sha256": checksums,
        },
    )


def check(arrays: Arrays, class_names: list[str]) -> Arrays:
    """The arrays in the types that every later step relies on. Raises DataError, naming the array, if that fails."""
    for split in ("train", "test"):
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if len(x) == 0:
            raise DataError(f"x_{split}: there is no image in it")
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] != 3 or x.size == 0:
            raise DataError(
                f"x_{split}: expected images as uint8 (n, height, width, 3), 0–255, found {x.dtype} {x.shape}"
            )
        if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
            raise DataError(f"y_{split}: expected {len(x)} whole numbers, found {y.dtype} {y.shape}")
        if y.min() < 0 or y.max() >= len(class_names):
            raise DataError(
                f"y_{split}: expected labels of 0–{len(class_names) - 1}, as there are {len(class_names)} class names,"
                f" found {y.min()}–{y.max()}"
            )
    train, test = (arrays[f"x_{split}"].shape[1:] for split in ("train", "test"))
    if train != test:
        raise DataError(f"x_test: its images have shape {test}, those of x_train {train}; both should have the same")
    if len(class_names) < 2:
        raise DataError("y_train: there is one class only, so there is nothing to learn; expected two or more")
    # Images that lie in memory column by column would be saved so, and a batch of them read from the whole file.
    return {
        name: array.astype(np.int32) if name.startswith("y") else np.ascontiguousarray(array)
        for name, array in arrays.items()
    }


def examine(arrays: Arrays, class_names: list[str], validation_fraction: float) -> dict:
    """What the manifest says about the use of the images; what is doubtful is said aloud, too.

    Raises DataError if the split leaves nothing for training or for validation.
    """
    n = len(arrays["x_train"])
    split = validation_start(n, validation_fraction)
    if split == 0 or split == n:
        raise DataError(
            f"dataset.validation_fraction {validation_fraction:g} of {n} training images leaves {split} for "
            f"training and {n - split} for validation; both need one or more"
        )
    classes = np.arange(len(class_names))
    parts = {"training": arrays["y_train"][:split], "validation": arrays["y_train"][split:], "test": arrays["y_test"]}
    absent = {part: np.setdiff1d(classes, labels).tolist() for part, labels in parts.items()}
    for part, missing in absent.items():
        if missing:
            first = class_names[missing[0]]
            notify(f"data: {len(missing)} of {len(classes)} classes have no {part} image, among them {first}")
    common = overlap(arrays["x_train"], arrays["x_test"])
    if common:
        share = common / len(arrays["x_test"])
        notify(
            f"data: {common} of {len(arrays['x_test'])} test images ({share:.1%}) are also among the training images"
        )
    return {
        "validation_images": n - split,
        "classes_without_images": absent,
        "test_images_in_train": common,
    }


def overlap(train: np.ndarray, test: np.ndarray) -> int:
    """How many of the images `test` (n, H, W, 3) are, pixel for pixel, among `train` (m, H, W, 3)."""
    known = {hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in train}
    return sum(hashlib.blake2b(image.tobytes(), digest_size=16).digest() in known for image in test)


def even_subset(labels: np.ndarray, n: int) -> np.ndarray:
    """int64 (n,): indices, ascending, of `n` of the images, classes as evenly as they allow, drawn with seed 0.

    Raises DataError if there are fewer than `n`.
    """
    if n > len(labels):
        raise DataError(f"dataset.subset is {n}, but there are only {len(labels)} training images")
    shuffled = np.random.default_rng(0).permutation(len(labels))
    # The rank of each image within its class decides: all firsts, then all seconds, and so on.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[np.argsort(rank, kind="stable")[:n]])


def channel_moments(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and variance of each channel over all pixels of uint8 (n, H, W, C), in float64, as Normalization.adapt."""
    levels, channels = np.arange(256), range(images.shape[-1])
    counts = [np.zeros(256, np.int64) for _ in channels]
    at_once = max(1, PIXELS_AT_ONCE // (images.shape[1] * images.shape[2]))
    for begin in range(0, len(images), at_once):
        for c in channels:
            counts[c] += np.bincount(images[begin : begin + at_once, ..., c].ravel(), minlength=256)
    means = [float(np.average(levels, weights=count)) for count in counts]
    variances = [float(np.average((levels - m) ** 2, weights=c)) for m, c in zip(means, counts, strict=True)]
    return means, variances
