"""Images from a user's files: Parquet in the layout of Hugging Face datasets, and NumPy's npz."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitbench.config.dataset import Dataset
from vitbench.data.arrays import DataError, error_text

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

IMAGE_COLUMNS, LABEL_COLUMNS = ("img", "image"), ("label", "fine_label")
NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
ROWS_PER_READ = 1024
MAX_UNNAMED_CLASSES = 100_000  # a larger label without class names is a mistake; naming that many would cost memory


def load_parquet(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reads train*.parquet and test*.parquet of the folder `dataset.path`, in the order of their names.

    The class names are those of the label feature in the schema's metadata; without them they are the numbers from 0 to
    the largest label. Raises DataError.
    """
    folder, arrays, names_by_file = _configured_path(dataset), {}, {}
    if not folder.is_dir():
        raise DataError(f"dataset.path {folder}: there is no such folder; it should contain train*.parquet")
    for split in ("train", "test"):
        files = sorted(folder.glob(f"{split}*.parquet"))
        if not files:
            content = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
            raise DataError(f"dataset.path {folder}: there is no {split}*.parquet; the folder contains {content}")
        arrays[f"x_{split}"], arrays[f"y_{split}"], class_names = _read_files(files)
        names_by_file |= {path: names for path, names in class_names.items() if names}
    if not names_by_file:
        return arrays, _number_classes(folder, arrays)
    first, expected = next(iter(names_by_file.items()))
    for path, names in names_by_file.items():
        if names != expected:
            raise DataError(
                f"{path}: its class names differ from those of {first.name} in number, order or spelling, so the same "
                f"label would mean different classes; all files must have the same class names"
            )
    return arrays, expected


def load_npz(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reads x_train, y_train, x_test, y_test and, if present, class_names from the file `dataset.path`.

    Grey images get three equal channels. Raises DataError.
    """
    path = _configured_path(dataset)
    if not path.is_file():
        raise DataError(f"dataset.path {path}: there is no such file; it should be a NumPy .npz file")
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is not a complete zip archive")
        with np.load(path, allow_pickle=False) as file:
            if missing := [name for name in NPZ_ARRAYS if name not in file]:
                content = ", ".join(file) or "nothing"
                raise DataError(f"{path}: {', '.join(missing)} missing; the file contains {content}")
            arrays = {name: file[name] for name in NPZ_ARRAYS}
            names = [str(name) for name in file["class_names"].astype(str)] if "class_names" in file else None
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib, struct, tokenize and NumPy each raise their own for damaged files
        raise DataError(f"{path} cannot be read as a NumPy .npz file: {error_text(error)}") from error
    for split in ("train", "test"):
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if x.dtype == np.uint8 and (x.ndim == 3 or x.shape[3:] == (1,)):
            arrays[f"x_{split}"] = x.reshape(*x.shape[:3], 1).repeat(3, axis=-1)
        if y.ndim == 2 and y.shape[1] == 1:
            arrays[f"y_{split}"] = y.ravel()
    return arrays, names or _number_classes(path, arrays)


def _configured_path(dataset: Dataset) -> Path:
    assert dataset.path is not None  # the config requires it for these sources
    return Path(dataset.path)


def _number_classes(path: Path, arrays: dict[str, np.ndarray]) -> list[str]:
    """Class names "0", "1", … up to the largest label."""
    labels = [y for y in (arrays["y_train"], arrays["y_test"]) if y.size and np.issubdtype(y.dtype, np.integer)]
    largest = max((int(y.max()) for y in labels), default=0)
    if largest >= MAX_UNNAMED_CLASSES:
        limit = MAX_UNNAMED_CLASSES - 1
        raise DataError(f"{path}: there is a label {largest}; without class names labels must be from 0 to {limit}")
    return [str(label) for label in range(max(largest, 0) + 1)]


def _read_files(paths: list[Path]) -> tuple[np.ndarray, np.ndarray, dict[Path, list[str] | None]]:
    """Images uint8 (n, H, W, 3) and labels int64 (n,) of all files, one after the other; the class names of each."""
    row_counts, names = {}, {}
    for path in paths:
        with _open_parquet(path) as file:
            row_counts[path] = file.metadata.num_rows
            label_column = _find_column(path, file.schema_arrow.names, LABEL_COLUMNS)
            names[path] = _class_names(file.schema_arrow.metadata or {}, label_column)
    images, labels, start = None, np.empty(sum(row_counts.values()), np.int64), 0
    for path in paths:
        row = 0
        for image, label in _read_rows(path):
            if images is None:
                images, first = np.empty((len(labels), *image.shape), np.uint8), path
            if image.shape != images.shape[1:]:
                raise DataError(
                    f"{path}, row {row}: the image is {_format_size(image)} pixels, but the first one of {first.name} "
                    f"is {_format_size(images[0])}; all images must have the same size"
                )
            images[start + row], labels[start + row] = image, label
            row += 1
        start += row
    return np.empty((0, 1, 1, 3), np.uint8) if images is None else images, labels, names


def _read_rows(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """The image, uint8 (H, W, 3), and the label of each row of one file."""
    with _open_parquet(path) as file:
        columns = file.schema_arrow.names
        image_column = _find_column(path, columns, IMAGE_COLUMNS)
        label_column = _find_column(path, columns, LABEL_COLUMNS)
        row, row_count = 0, file.metadata.num_rows
        for batch in file.iter_batches(ROWS_PER_READ, columns=[image_column, label_column]):
            for cell, label in zip(batch[image_column].to_pylist(), batch[label_column].to_pylist(), strict=True):
                if not isinstance(label, int) or isinstance(label, bool) or label >= 2**63:
                    raise DataError(f"{path}, row {row}: {label_column} is {label!r}, not an integer below 2⁶³")
                if row < row_count:  # no memory is reserved for further rows
                    yield _decode(path, row, image_column, cell), label
                row += 1
        if row != row_count:
            raise DataError(f"{path} holds {row} rows, but its footer says {row_count}; download it again")


@contextmanager
def _open_parquet(path: Path) -> Iterator["ParquetFile"]:
    """Opens the file, and turns whatever pyarrow raises in the block into a DataError."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            yield file
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error_text(error)}") from error


def _find_column(path: Path, columns: list[str], candidates: tuple[str, ...]) -> str:
    for name in candidates:
        if name in columns:
            return name
    raise DataError(f"{path} has no column {' or '.join(candidates)}; its columns are {', '.join(columns)}")


def _decode(path: Path, row: int, column: str, cell: object) -> np.ndarray:
    from PIL import Image

    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise DataError(f"{path}, row {row}: {column} does not contain the bytes of an image file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, pixels = image.mode, np.asarray(image.convert("RGB"))
    except Exception as error:  # each of Pillow's decoders raises its own for damaged bytes
        raise DataError(f"{path}, row {row}: the image cannot be decoded: {error_text(error)}") from error
    if mode.startswith(("I", "F")):  # Pillow clips them at 255, so they would come out white
        raise DataError(f"{path}, row {row}: the image has more than 8 bits per channel ({mode}); it must have 8")
    return pixels


def _class_names(metadata: dict[bytes, bytes], label_column: str) -> list[str] | None:
    """The names in {"info": {"features": {label_column: {"names": […]}}}}, as Hugging Face datasets store them."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _format_size(image: np.ndarray) -> str:
    return f"{image.shape[0]} × {image.shape[1]}"
