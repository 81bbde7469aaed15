"""Reading a user's files: what works, and that every way they can be wrong is reported in one sentence."""

import io
import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vitbench.config.dataset import Dataset
from vitbench.data.arrays import DataError
from vitbench.data.sources import SOURCES

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 6, 5, 3), np.uint8)
LABELS = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def load(source: str, **settings):
    return SOURCES[source](Dataset(source=source, name="mine", **settings))


def encoded(image: np.ndarray, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format)
    return file.getvalue()


def write(path, images=IMAGES, labels=LABELS, columns=("img", "label"), names=None, contents=None):
    """A file in the layout of Hugging Face's datasets; `contents` replaces some cells of the image column."""
    cells = [{"bytes": encoded(image), "path": None} for image in images]
    for row, cell in (contents or {}).items():
        cells[row] = cell
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({columns[0]: pa.array(cells, kind), columns[1]: pa.array(labels, pa.int64())})
    if names:
        features = {columns[1]: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)


@pytest.mark.parametrize("columns", [("img", "label"), ("image", "label"), ("img", "fine_label")])
def test_parquet_is_read_in_the_hugging_face_layout_with_its_class_names(tmp_path, columns):
    write(tmp_path / "train.parquet", columns=columns, names=["cat", "dog", "<owl>"])
    write(tmp_path / "test.parquet", IMAGES[:3], LABELS[:3], columns=columns)
    arrays, names = load("parquet", path=str(tmp_path))
    np.testing.assert_array_equal(arrays["x_train"], IMAGES)
    np.testing.assert_array_equal(arrays["x_test"], IMAGES[:3])
    assert arrays["y_train"].tolist() == LABELS and names == ["cat", "dog", "<owl>"]


def test_parquet_files_are_concatenated_in_the_order_of_their_names(tmp_path):
    write(tmp_path / "train-00001-of-00002.parquet", IMAGES[4:], LABELS[4:])
    write(tmp_path / "train-00000-of-00002.parquet", IMAGES[:4], LABELS[:4])
    write(tmp_path / "test-00000-of-00001.parquet", IMAGES[:3], LABELS[:3])
    arrays, names = load("parquet", path=str(tmp_path))
    np.testing.assert_array_equal(arrays["x_train"], IMAGES)
    assert arrays["y_train"].tolist() == LABELS and names == ["0", "1", "2"]


def test_grey_and_palette_images_become_rgb(tmp_path):
    grey = IMAGES[0, ..., 0]
    write(tmp_path / "train.parquet", contents={0: {"bytes": encoded(grey), "path": None}})
    write(tmp_path / "test.parquet")
    arrays, _ = load("parquet", path=str(tmp_path))
    np.testing.assert_array_equal(arrays["x_train"][0], np.stack([grey] * 3, axis=-1))


JPEG = encoded(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8), "JPEG")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({"bytes": b"no image", "path": None}, "row 7: the image cannot be decoded"),
        ({"bytes": JPEG[: len(JPEG) // 2], "path": None}, "row 7: the image cannot be decoded"),
        ({"bytes": None, "path": "7.png"}, "row 7: img does not contain the bytes"),
        (None, "row 7: img does not contain the bytes"),
        (
            {"bytes": encoded(IMAGES[0][:4]), "path": None},
            "row 7: the image is 4 × 5 pixels, but the first one of train.parquet is 6 × 5",
        ),
    ],
)
def test_the_error_for_an_unreadable_image_names_file_and_row(tmp_path, cell, words):
    write(tmp_path / "train.parquet", contents={7: cell})
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError) as caught:
        load("parquet", path=str(tmp_path))
    assert str(tmp_path / "train.parquet") in str(caught.value) and words in str(caught.value)


def test_the_error_for_a_missing_label_names_file_and_row(tmp_path):
    write(tmp_path / "train.parquet", labels=[*LABELS[:-1], None])
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train\.parquet, row 9: label is None"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("columns", [("picture", "label"), ("img", "class")])
def test_the_error_for_a_missing_column_lists_the_existing_ones(tmp_path, columns):
    write(tmp_path / "train.parquet", columns=columns)
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=f"has no column .*; its columns are {columns[0]}, {columns[1]}"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1])
def test_a_truncated_parquet_file_is_a_data_error(tmp_path, keep):
    write(tmp_path / "train.parquet")
    write(tmp_path / "test.parquet")
    content = (tmp_path / "train.parquet").read_bytes()
    end = int(len(content) * keep) if isinstance(keep, float) else keep
    (tmp_path / "train.parquet").write_bytes(content[:end])
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as Parquet"):
        load("parquet", path=str(tmp_path))


def test_damaged_bytes_in_parquet_are_a_data_error(tmp_path):
    write(tmp_path / "train.parquet")
    write(tmp_path / "test.parquet")
    content = bytearray((tmp_path / "train.parquet").read_bytes())
    content[20:400] = bytes(380)
    (tmp_path / "train.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"train\.parquet"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("row_count", [9, 11])
def test_a_parquet_file_with_more_or_fewer_rows_than_its_footer_says_is_refused(tmp_path, row_count):
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet")
    path = tmp_path / "train.parquet"
    whole = path.read_bytes()
    for position in [i for i, byte in enumerate(whole) if byte == 2 * 10]:  # how Parquet's footer writes 10
        path.write_bytes(whole[:position] + bytes([2 * row_count]) + whole[position + 1 :])
        try:
            if pq.read_metadata(path).num_rows == row_count:
                break
        except OSError:
            continue
    with pytest.raises(DataError, match=f"holds 10 rows, but its footer says {row_count}"):
        load("parquet", path=str(tmp_path))


def test_the_error_for_a_folder_without_parquet_files_lists_its_content(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        load("parquet", path=str(tmp_path / "nowhere"))
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(DataError, match=r"there is no train\*\.parquet; the folder contains readme\.txt"):
        load("parquet", path=str(tmp_path))


def test_images_with_more_than_8_bits_are_refused(tmp_path):
    deep = IMAGES[0, ..., 0].astype(np.uint16) * 200 + 300
    write(tmp_path / "train.parquet", contents={7: {"bytes": encoded(deep), "path": None}})
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train\.parquet, row 7: the image has more than 8 bits per channel"):
        load("parquet", path=str(tmp_path))


def test_the_error_for_an_image_of_another_size_names_both_files(tmp_path):
    write(tmp_path / "train-0.parquet")
    write(tmp_path / "train-1.parquet", IMAGES[:, :4])
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train-1\.parquet, row 0: the image is 4 × 5 .* of train-0\.parquet is 6 × 5"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("other", [["dog", "cat", "owl"], ["cat", "dog"]])
def test_files_with_different_class_names_are_refused(tmp_path, other):
    write(tmp_path / "train.parquet", names=["cat", "dog", "owl"])
    write(tmp_path / "test.parquet", names=other)
    with pytest.raises(DataError, match=r"test\.parquet: its class names differ from those of train\.parquet"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("names", ["cat", {"0": "cat"}])
def test_class_names_that_are_not_a_list_are_ignored(tmp_path, names):
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", names=names)
    assert load("parquet", path=str(tmp_path))[1] == ["0", "1", "2"]


def test_reading_parquet_needs_little_more_memory_than_the_images(tmp_path):
    plain = np.zeros((200, 64, 64, 3), np.uint8)
    for shard in range(4):
        write(tmp_path / f"train-{shard}.parquet", plain, [0] * 200)
    write(tmp_path / "test.parquet", plain[:1], [1])
    load("parquet", path=str(tmp_path))  # so that the memory of the imports is not counted
    tracemalloc.start()
    arrays, _ = load("parquet", path=str(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert arrays["x_train"].shape == (800, 64, 64, 3) and peak < 1.3 * arrays["x_train"].nbytes


ARRAYS = {"x_train": IMAGES, "y_train": np.array(LABELS), "x_test": IMAGES[:3], "y_test": np.array(LABELS[:3])}


@pytest.mark.parametrize("shape", [(10, 6, 5), (10, 6, 5, 1)])
def test_npz_may_hold_grey_images_and_column_labels(tmp_path, shape):
    grey = IMAGES[..., 0].reshape(shape)
    np.savez(tmp_path / "mine.npz", **ARRAYS | {"x_train": grey, "y_train": np.array(LABELS).reshape(-1, 1)})
    arrays, names = load("npz", path=str(tmp_path / "mine.npz"))
    np.testing.assert_array_equal(arrays["x_train"], np.stack([IMAGES[..., 0]] * 3, axis=-1))
    assert arrays["y_train"].tolist() == LABELS and names == ["0", "1", "2"]


def test_npz_may_name_its_classes(tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", **ARRAYS, class_names=np.array(["cat", "dog", "owl"]))
    arrays, names = load("npz", path=str(tmp_path / "mine.npz"))
    assert names == ["cat", "dog", "owl"]
    np.testing.assert_array_equal(arrays["x_train"], IMAGES)


def test_the_error_for_an_npz_with_missing_arrays_lists_its_content(tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=IMAGES, labels=LABELS)
    with pytest.raises(DataError, match="y_train, x_test, y_test missing; the file contains x_train, labels"):
        load("npz", path=str(tmp_path / "mine.npz"))


@pytest.mark.parametrize("keep", [0, 30, 0.5, 0.95])
def test_a_truncated_npz_is_a_data_error(tmp_path, keep):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **ARRAYS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=r"mine\.npz cannot be read as a NumPy \.npz file"):
        load("npz", path=str(path))


def test_an_npz_that_needs_pickle_is_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", **ARRAYS | {"y_train": np.array([{}] * 10, dtype=object)})
    with pytest.raises(DataError, match="cannot be read"):
        load("npz", path=str(tmp_path / "mine.npz"))


@pytest.mark.parametrize("label", [2_000_000_000, 2**62])
def test_an_implausibly_large_label_is_refused_before_classes_are_named(tmp_path, label):
    np.savez(tmp_path / "mine.npz", **ARRAYS | {"y_train": np.array([*LABELS[:-1], label])})
    write(tmp_path / "train.parquet", labels=[*LABELS[:-1], label])
    write(tmp_path / "test.parquet")
    for source, path in (("npz", tmp_path / "mine.npz"), ("parquet", tmp_path)):
        with pytest.raises(
            DataError, match=f"there is a label {label}; without class names labels must be from 0 to 99999"
        ):
            load(source, path=str(path))


@pytest.mark.parametrize("content", [b"", b"some text", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_not_an_npz_is_a_data_error_that_does_not_advise_pickle(tmp_path, content):
    with pytest.raises(DataError, match="there is no such file"):
        load("npz", path=str(tmp_path / "mine.npz"))
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match="it is not a complete zip archive"):
        load("npz", path=str(tmp_path / "mine.npz"))


@pytest.mark.parametrize("source", ["npz", "parquet"])
def test_random_damage_raises_nothing_but_a_data_error(tmp_path, source):
    random = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "mine.npz", **ARRAYS)
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", names=["cat", "dog", "owl"])
    damaged, path = (
        (tmp_path / "mine.npz", tmp_path / "mine.npz") if source == "npz" else (tmp_path / "train.parquet", tmp_path)
    )
    whole, refused = damaged.read_bytes(), 0
    for _ in range(150):
        content = bytearray(whole)
        for position in random.integers(len(content), size=2):
            content[position] = random.integers(256)
        damaged.write_bytes(content)
        try:
            load(source, path=str(path))
        except DataError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert refused > 75
