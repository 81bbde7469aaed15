"""Where images come from: each source is a function from the config's `dataset` to arrays and class names."""

from collections.abc import Callable

import numpy as np

from vitbench.config.dataset import Dataset
from vitbench.sources import downloaded, files, made_here

# x_train, x_test: uint8 (n, height, width, 3); y_train, y_test: integers (n,).
Arrays = dict[str, np.ndarray]

SOURCES: dict[str, Callable[[Dataset], tuple[Arrays, list[str]]]] = {
    "keras": downloaded.keras_datasets,
    "parquet": files.parquet,
    "npz": files.npz,
    "digits": made_here.digits,
    "synthetic": made_here.synthetic,
}
