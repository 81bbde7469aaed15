"""Where images come from: each source is a function from the config's `dataset` to arrays and class names."""

from collections.abc import Callable

import numpy as np

from vitbench.config.dataset import Dataset
from vitbench.data.cifar import load_keras_dataset
from vitbench.data.files import load_npz, load_parquet
from vitbench.data.synthetic import load_digits, make_synthetic

# x_train, x_test: uint8 (n, height, width, 3); y_train, y_test: integers (n,).
Arrays = dict[str, np.ndarray]

SOURCES: dict[str, Callable[[Dataset], tuple[Arrays, list[str]]]] = {
    "keras": load_keras_dataset,
    "parquet": load_parquet,
    "npz": load_npz,
    "digits": load_digits,
    "synthetic": make_synthetic,
}
