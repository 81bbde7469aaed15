"""data: the images as uint8 arrays, and a manifest that says what they are. The only step that may use the network."""

import hashlib
import io

import numpy as np

from vitbench.config import SCHEMA_VERSION, Config
from vitbench.config.dataset import Dataset
from vitbench.results import Results, whole, write_json

# Arrays of a source: x uint8 (n, H, W, 3), y int32 (n,); and the names of the classes.
Arrays = dict[str, np.ndarray]


def run(config: Config, results: Results) -> None:
    arrays, class_names = SOURCES[config.dataset.source](config.dataset)
    arrays = check(arrays, class_names)
    if config.dataset.subset is not None:
        chosen = even_subset(arrays["y_train"], config.dataset.subset)
        arrays["x_train"], arrays["y_train"] = arrays["x_train"][chosen], arrays["y_train"][chosen]
    checksums = {}
    for name, array in arrays.items():
        content = io.BytesIO()
        np.save(content, array)
        with whole(results.root / "data" / f"{name}.npy") as path:
            path.write_bytes(content.getvalue())
        checksums[f"{name}.npy"] = hashlib.sha256(content.getvalue()).hexdigest()
    mean, variance = channel_moments(arrays["x_train"])
    write_json(
        results.manifest,
        {
            "schema_version": SCHEMA_VERSION,
            "source": config.dataset.source,
            "name": config.dataset.name,
            "train_images": len(arrays["x_train"]),
            "test_images": len(arrays["x_test"]),
            "image_shape": list(arrays["x_train"].shape[1:]),
            "class_names": class_names,
            "normalization": {"mean": mean, "variance": variance},
            "sha256": checksums,
        },
    )


def digits(dataset: Dataset) -> tuple[Arrays, list[str]]:
    """scikit-learn's 1 797 handwritten digits, 8×8, 17 grey levels as 0–255 RGB; a stratified fifth for testing."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    grey, labels = load_digits(return_X_y=True)
    images = np.round(grey.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8).repeat(3, axis=-1)
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=360, stratify=labels, random_state=0)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}, [str(d) for d in range(10)]


def keras_datasets(dataset: Dataset) -> tuple[Arrays, list[str]]:
    """CIFAR-10 or CIFAR-100 from keras.datasets, which checks the download's SHA-256 and honours KERAS_HOME."""
    import keras

    (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, dataset.name).load_data()
    arrays = {"x_train": x_train, "y_train": y_train.ravel(), "x_test": x_test, "y_test": y_test.ravel()}
    return arrays, [str(label) for label in range(int(y_train.max()) + 1)]


SOURCES = {"digits": digits, "keras": keras_datasets}


def check(arrays: Arrays, class_names: list[str]) -> Arrays:
    """The arrays in the types that every later step relies on. Raises ValueError, naming the array, if not."""
    for split in ("train", "test"):
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] != 3:
            raise ValueError(f"x_{split}: expected uint8 (n, height, width, 3), found {x.dtype} {x.shape}")
        if y.shape != (len(x),) or y.min() < 0 or y.max() >= len(class_names):
            raise ValueError(
                f"y_{split}: expected {len(x)} labels of 0–{len(class_names) - 1}, "
                f"found shape {y.shape}, values {y.min()}–{y.max()}"
            )
    return {name: array.astype(np.int32) if name.startswith("y") else array for name, array in arrays.items()}


def even_subset(labels: np.ndarray, n: int) -> np.ndarray:
    """int64 (n,): indices, ascending, of `n` of the images, classes as evenly as they allow, drawn with seed 0.

    Raises ValueError if there are fewer than `n`.
    """
    if n > len(labels):
        raise ValueError(f"dataset.subset is {n}, but there are only {len(labels)} training images")
    shuffled = np.random.default_rng(0).permutation(len(labels))
    # The rank of each image within its class decides: all firsts, then all seconds, and so on.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[np.argsort(rank, kind="stable")[:n]])


def channel_moments(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and variance of each channel over all pixels of uint8 (n, H, W, C), in float64, as Normalization.adapt."""
    counts = [np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])]
    levels = np.arange(256)
    means = [float(np.average(levels, weights=count)) for count in counts]
    variances = [float(np.average((levels - m) ** 2, weights=c)) for m, c in zip(means, counts, strict=True)]
    return means, variances
