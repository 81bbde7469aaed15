"""Where images come from. A source is a function from the `dataset` section of the config to arrays and class names.

To add one, write the function, add a line here and add its name to the config's `dataset.source`.
"""

from collections.abc import Callable

from vitbench.config.dataset import Dataset
from vitbench.data.arrays import Arrays
from vitbench.data.cifar import load_keras_dataset
from vitbench.data.files import load_npz, load_parquet
from vitbench.data.synthetic import load_digits, make_synthetic

# A source raises DataError if there is no data or it cannot be read. `check_arrays` checks what it returns.
Source = Callable[[Dataset], tuple[Arrays, list[str]]]

SOURCES: dict[str, Source] = {
    "keras": load_keras_dataset,
    "parquet": load_parquet,
    "npz": load_npz,
    "digits": load_digits,
    "synthetic": make_synthetic,
}
