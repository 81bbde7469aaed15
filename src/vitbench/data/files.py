"""Images from a user's files: Parquet in the Hugging Face layout, and NumPy's npz."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitbench.config.dataset import Dataset
from vitbench.data.errors import DataError, error_text

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

IMAGE_COLUMNS, LABEL_COLUMNS = ("img", "image"), ("label", "fine_label")
NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
ROWS_AT_ONCE = 1024
MOST_CLASSES = 100_000  # without names; a larger label is a mistake that would cost much memory to name


def load_parquet(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """train*.parquet and test*.parquet of a folder, in the order of their names. Raises DataError.

    Class names are those of the label feature in the schema's metadata, or else numbers from 0 to the largest label.
    """
    folder, arrays, named = Path(dataset.path), {}, {}
    if not folder.is_dir():
        raise DataError(f"dataset.path {dataset.path}: there is no such folder; it should hold train*.parquet")
    for split in ("train", "test"):
        shards = sorted(folder.glob(f"{split}*.parquet"))
        if not shards:
            found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
            raise DataError(f"dataset.path {dataset.path}: found no {split}*.parquet there, but {found}")
        arrays[f"x_{split}"], arrays[f"y_{split}"], names = _shards(shards)
        named |= {path: of_path for path, of_path in names.items() if of_path}
    first = next(iter(named), None)
    for path in named:
        if named[path] != named[first]:
            raise DataError(
                f"{path}: its class names differ from those of {first.name} in number, order or spelling, so one label "
                f"would mean two classes; all files should have the same"
            )
    return arrays, named[first] if named else _numbers(dataset.path, arrays)


def load_npz(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """x_train, y_train, x_test, y_test and, if there, class_names. Grey images get three equal channels.

    Raises DataError.
    """
    if not Path(dataset.path).is_file():
        raise DataError(f"dataset.path {dataset.path}: there is no such file; it should be a NumPy .npz file")
    try:
        if not zipfile.is_zipfile(dataset.path):
            raise ValueError("it is no zip archive, or not all of one")
        with np.load(dataset.path, allow_pickle=False) as file:
            if missing := [name for name in NPZ_ARRAYS if name not in file]:
                raise DataError(
                    f"{dataset.path}: {', '.join(missing)} missing; it holds {', '.join(file) or 'nothing'}"
                )
            arrays = {name: file[name] for name in NPZ_ARRAYS}
            names = [str(name) for name in file["class_names"].astype(str)] if "class_names" in file else None
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib, struct, tokenize and NumPy have one each for what can be damaged
        raise DataError(f"{dataset.path} cannot be read as a NumPy .npz file: {error_text(error)}") from error
    for split in ("train", "test"):
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if x.dtype == np.uint8 and (x.ndim == 3 or x.shape[3:] == (1,)):
            arrays[f"x_{split}"] = x.reshape(*x.shape[:3], 1).repeat(3, axis=-1)
        if y.ndim == 2 and y.shape[1] == 1:
            arrays[f"y_{split}"] = y.ravel()
    return arrays, names or _numbers(dataset.path, arrays)


def _numbers(path: str, arrays: dict[str, np.ndarray]) -> list[str]:
    """Class names "0", "1", … as far as the labels go."""
    labels = [y for y in (arrays["y_train"], arrays["y_test"]) if y.size and np.issubdtype(y.dtype, np.integer)]
    largest = max((int(y.max()) for y in labels), default=0)
    if largest >= MOST_CLASSES:
        raise DataError(f"{path}: a label is {largest}; without class names all should be of 0–{MOST_CLASSES - 1}")
    return [str(label) for label in range(max(largest, 0) + 1)]


def _shards(paths: list[Path]) -> tuple[np.ndarray, np.ndarray, dict[Path, list[str] | None]]:
    """Images uint8 (n, H, W, 3) and labels int64 (n,) of all files, one after the other; the class names of each."""
    rows, names = {}, {}
    for path in paths:
        with _opened(path) as file:
            rows[path] = file.metadata.num_rows
            label_column = _column(path, file.schema_arrow.names, LABEL_COLUMNS)
            names[path] = _class_names(file.schema_arrow.metadata or {}, label_column)
    images, labels, begin = None, np.empty(sum(rows.values()), np.int64), 0
    for path in paths:
        row = 0
        for image, label in _rows(path):
            if images is None:
                images, first = np.empty((len(labels), *image.shape), np.uint8), path
            if image.shape != images.shape[1:]:
                raise DataError(
                    f"{path}, row {row}: the image is {_size(image)} pixels, but the first one of {first.name} "
                    f"{_size(images[0])}; all should have one size"
                )
            images[begin + row], labels[begin + row] = image, label
            row += 1
        begin += row
    return np.empty((0, 1, 1, 3), np.uint8) if images is None else images, labels, names


def _rows(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Image uint8 (H, W, 3) and label of each row of one file."""
    with _opened(path) as file:
        image_column, label_column = (
            _column(path, file.schema_arrow.names, wanted) for wanted in (IMAGE_COLUMNS, LABEL_COLUMNS)
        )
        row, said = 0, file.metadata.num_rows
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=[image_column, label_column]):
            for cell, label in zip(batch[image_column].to_pylist(), batch[label_column].to_pylist(), strict=True):
                if not isinstance(label, int) or isinstance(label, bool) or label >= 2**63:
                    raise DataError(f"{path}, row {row}: {label_column} is {label!r}, not a whole number below 2⁶³")
                if row < said:  # else there is no room for it
                    yield _decode(path, row, image_column, cell), label
                row += 1
        if row != said:
            raise DataError(f"{path} holds {row} rows, but its footer says {said}; it should be fetched again")


@contextmanager
def _opened(path: Path) -> Iterator["ParquetFile"]:
    """The file, and a DataError in place of whatever pyarrow raises in the block."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            yield file
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error_text(error)}") from error


def _column(path: Path, present: list[str], wanted: tuple[str, ...]) -> str:
    for name in wanted:
        if name in present:
            return name
    raise DataError(f"{path} has no column {' or '.join(wanted)}; it has {', '.join(present)}")


def _decode(path: Path, row: int, column: str, cell: object) -> np.ndarray:
    from PIL import Image

    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise DataError(f"{path}, row {row}: {column} holds no bytes of an image file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, pixels = image.mode, np.asarray(image.convert("RGB"))
    except Exception as error:  # each of Pillow's decoders has its own for damaged bytes
        raise DataError(f"{path}, row {row}: the image cannot be decoded: {error_text(error)}") from error
    if mode.startswith(("I", "F")):  # Pillow cuts them off at 255, so that they come out white
        raise DataError(f"{path}, row {row}: the image has more than 8 bits per channel ({mode}); it should have 8")
    return pixels


def _class_names(metadata: dict[bytes, bytes], label_column: str) -> list[str] | None:
    """From {"info": {"features": {label_column: {"names": […]}}}}, where Hugging Face's datasets keep them."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} × {image.shape[1]}"
