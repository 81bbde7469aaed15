"""data: the images as uint8 arrays, and a manifest that describes them. The only step that uses the network."""

import hashlib

import numpy as np

from vitbench.config.schema import Config
from vitbench.data.arrays import channel_moments, check_arrays, describe_arrays, even_subset
from vitbench.data.sources import SOURCES
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION
from vitbench.system.files import atomic_write, write_json


def run(config: Config, results: Results) -> None:
    """Writes the arrays and, last, the manifest. Raises DataError before anything is written."""
    dataset = config.dataset
    arrays, class_names = SOURCES[dataset.source](dataset)
    arrays = check_arrays(arrays, class_names)
    if dataset.subset is not None:
        indices = even_subset(arrays["y_train"], dataset.subset)
        arrays["x_train"], arrays["y_train"] = arrays["x_train"][indices], arrays["y_train"][indices]
    split_facts = describe_arrays(arrays, class_names, dataset.validation_fraction)
    mean, variance = channel_moments(arrays["x_train"])
    results.manifest.unlink(missing_ok=True)  # while arrays are being replaced, no manifest vouches for them
    checksums = {f"{name}.npy": _save(array, name, results) for name, array in arrays.items()}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "settings": config.relevant_settings("data"),
        "source": dataset.source,
        "name": dataset.name,
        "train_images": len(arrays["x_train"]),
        "test_images": len(arrays["x_test"]),
        "image_shape": list(arrays["x_train"].shape[1:]),
        "class_names": class_names,
        "normalization": {"mean": mean, "variance": variance},
        **split_facts,
        "sha256": checksums,
    }
    write_json(results.manifest, manifest)


def _save(array: np.ndarray, name: str, results: Results) -> str:
    """Writes `array` and returns the SHA-256 of the file, hexadecimal."""
    with atomic_write(results.root / "data" / f"{name}.npy") as path:
        with path.open("wb") as file:
            np.save(file, array)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
