"""Images from a user's files: Parquet in the Hugging Face layout, and NumPy's npz."""

import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from vitbench.config.dataset import Dataset
from vitbench.sources.errors import DataError

IMAGE_COLUMNS, LABEL_COLUMNS = ("img", "image"), ("label", "fine_label")
NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
ROWS_AT_ONCE = 1024


def parquet(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """train*.parquet and test*.parquet of a folder, in the order of their names. Raises DataError.

    Class names are those of the label feature in the schema's metadata, or else numbers from 0 to the largest label.
    """
    folder, arrays, names = Path(dataset.path), {}, None
    if not folder.is_dir():
        raise DataError(f"dataset.path {dataset.path}: there is no such folder; it should hold train*.parquet")
    for split in ("train", "test"):
        shards = sorted(folder.glob(f"{split}*.parquet"))
        if not shards:
            found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
            raise DataError(f"dataset.path {dataset.path}: found no {split}*.parquet there, but {found}")
        images, labels, named = zip(*map(_shard, shards), strict=True)
        _same_size(shards, images)
        arrays[f"x_{split}"] = images[0] if len(images) == 1 else np.concatenate(images)
        arrays[f"y_{split}"] = np.concatenate(labels)
        names = names or named[0]
    largest = max(int(arrays[f"y_{split}"].max(initial=0)) for split in ("train", "test"))
    return arrays, names or [str(label) for label in range(largest + 1)]


def npz(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """x_train, y_train, x_test, y_test and, if there, class_names. Grey images get three equal channels.

    Raises DataError.
    """
    try:
        with np.load(dataset.path, allow_pickle=False) as file:
            if missing := [name for name in NPZ_ARRAYS if name not in file]:
                raise DataError(
                    f"{dataset.path}: {', '.join(missing)} missing; it holds {', '.join(file) or 'nothing'}"
                )
            arrays = {name: file[name] for name in NPZ_ARRAYS}
            names = [str(name) for name in file["class_names"]] if "class_names" in file else None
    except DataError:
        raise
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{dataset.path} cannot be read as a NumPy .npz file: {error}") from error
    for split in ("train", "test"):
        x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if x.dtype == np.uint8 and (x.ndim == 3 or x.shape[3:] == (1,)):
            arrays[f"x_{split}"] = x.reshape(*x.shape[:3], 1).repeat(3, axis=-1)
        if y.ndim == 2 and y.shape[1] == 1:
            arrays[f"y_{split}"] = y.ravel()
    labels = [y for y in (arrays["y_train"], arrays["y_test"]) if y.size and np.issubdtype(y.dtype, np.integer)]
    return arrays, names or [str(label) for label in range(max((int(y.max()) for y in labels), default=0) + 1)]


def _shard(path: Path) -> tuple[np.ndarray, np.ndarray, list[str] | None]:
    """Images uint8 (n, H, W, 3), labels int64 (n,) and, if the schema has them, the class names of one file."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            image_column = _column(path, file.schema_arrow.names, IMAGE_COLUMNS)
            label_column = _column(path, file.schema_arrow.names, LABEL_COLUMNS)
            images, labels, row = None, np.empty(file.metadata.num_rows, np.int64), 0
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[image_column, label_column]):
                for cell, label in zip(batch[image_column].to_pylist(), batch[label_column].to_pylist(), strict=True):
                    image = _decode(path, row, image_column, cell)
                    if images is None:
                        images = np.empty((len(labels), *image.shape), np.uint8)
                    if image.shape != images.shape[1:]:
                        raise DataError(
                            f"{path}, row {row}: the image is {_size(image)} pixels, but the first one "
                            f"{_size(images[0])}; all should have one size"
                        )
                    if not isinstance(label, int) or isinstance(label, bool):
                        raise DataError(f"{path}, row {row}: {label_column} is {label!r}, not a whole number")
                    images[row], labels[row] = image, label
                    row += 1
            names = _class_names(file.schema_arrow.metadata or {}, label_column)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    return np.empty((0, 1, 1, 3), np.uint8) if images is None else images, labels, names


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
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}, row {row}: the image cannot be decoded: {error}") from error


def _class_names(metadata: dict[bytes, bytes], label_column: str) -> list[str] | None:
    """From {"info": {"features": {label_column: {"names": […]}}}}, where Hugging Face's datasets keep them."""
    try:
        return json.loads(metadata[b"huggingface"])["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return None


def _same_size(shards: list[Path], images: tuple[np.ndarray, ...]) -> None:
    filled = [(path, array) for path, array in zip(shards, images, strict=True) if len(array)]
    for path, array in filled:
        if array.shape[1:] != filled[0][1].shape[1:]:
            raise DataError(
                f"{path}: the images are {_size(array[0])} pixels, but those of {filled[0][0].name} "
                f"{_size(filled[0][1][0])}; all should have one size"
            )


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} × {image.shape[1]}"
