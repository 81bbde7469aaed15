import io
import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vitbench.config.dataset import Dataset
from vitbench.data.cifar import CLASS_NAMES
from vitbench.data.errors import DataError
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
def test_parquet_is_read_in_hugging_faces_layout_with_its_class_names(tmp_path, columns):
    write(tmp_path / "train.parquet", columns=columns, names=["cat", "dog", "<owl>"])
    write(tmp_path / "test.parquet", IMAGES[:3], LABELS[:3], columns=columns)
    arrays, names = load("parquet", path=str(tmp_path))
    np.testing.assert_array_equal(arrays["x_train"], IMAGES)
    np.testing.assert_array_equal(arrays["x_test"], IMAGES[:3])
    assert arrays["y_train"].tolist() == LABELS and names == ["cat", "dog", "<owl>"]


def test_several_parquet_files_follow_each_other_in_the_order_of_their_names(tmp_path):
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
        ({"bytes": None, "path": "7.png"}, "row 7: img holds no bytes"),
        (None, "row 7: img holds no bytes"),
        (
            {"bytes": encoded(IMAGES[0][:4]), "path": None},
            "row 7: the image is 4 × 5 pixels, but the first one of train.parquet 6 × 5",
        ),
    ],
)
def test_an_image_that_is_none_is_told_with_file_and_row(tmp_path, cell, words):
    write(tmp_path / "train.parquet", contents={7: cell})
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError) as caught:
        load("parquet", path=str(tmp_path))
    assert str(tmp_path / "train.parquet") in str(caught.value) and words in str(caught.value)


def test_a_missing_label_is_told_with_file_and_row(tmp_path):
    write(tmp_path / "train.parquet", labels=[*LABELS[:-1], None])
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train\.parquet, row 9: label is None"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("columns", [("picture", "label"), ("img", "class")])
def test_columns_of_other_names_are_told_with_those_that_are_there(tmp_path, columns):
    write(tmp_path / "train.parquet", columns=columns)
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=f"has no column .*; it has {columns[0]}, {columns[1]}"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1])
def test_a_truncated_parquet_file_is_one_sentence(tmp_path, keep):
    write(tmp_path / "train.parquet")
    write(tmp_path / "test.parquet")
    content = (tmp_path / "train.parquet").read_bytes()
    end = int(len(content) * keep) if isinstance(keep, float) else keep
    (tmp_path / "train.parquet").write_bytes(content[:end])
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as Parquet"):
        load("parquet", path=str(tmp_path))


def test_a_damaged_byte_in_parquet_is_no_image(tmp_path):
    write(tmp_path / "train.parquet")
    write(tmp_path / "test.parquet")
    content = bytearray((tmp_path / "train.parquet").read_bytes())
    content[20:400] = bytes(380)
    (tmp_path / "train.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"train\.parquet"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("said", [9, 11])
def test_a_parquet_file_with_more_or_fewer_rows_than_it_says_is_refused(tmp_path, said):
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet")
    path = tmp_path / "train.parquet"
    whole = path.read_bytes()
    for position in [i for i, byte in enumerate(whole) if byte == 2 * 10]:  # how Parquet's footer writes 10
        path.write_bytes(whole[:position] + bytes([2 * said]) + whole[position + 1 :])
        try:
            if pq.read_metadata(path).num_rows == said:
                break
        except OSError:
            continue
    with pytest.raises(DataError, match=f"holds 10 rows, but its footer says {said}"):
        load("parquet", path=str(tmp_path))


def test_a_folder_without_the_files_says_what_it_holds(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        load("parquet", path=str(tmp_path / "nowhere"))
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(DataError, match=r"found no train\*\.parquet there, but readme\.txt"):
        load("parquet", path=str(tmp_path))


def test_images_of_more_than_8_bits_are_refused_since_they_would_come_out_white(tmp_path):
    deep = IMAGES[0, ..., 0].astype(np.uint16) * 200 + 300
    write(tmp_path / "train.parquet", contents={7: {"bytes": encoded(deep), "path": None}})
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train\.parquet, row 7: the image has more than 8 bits per channel"):
        load("parquet", path=str(tmp_path))


def test_an_image_of_another_size_in_a_later_file_is_told_with_both_files(tmp_path):
    write(tmp_path / "train-0.parquet")
    write(tmp_path / "train-1.parquet", IMAGES[:, :4])
    write(tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"train-1\.parquet, row 0: the image is 4 × 5 .* of train-0\.parquet 6 × 5"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("other", [["dog", "cat", "owl"], ["cat", "dog"]])
def test_files_whose_labels_mean_different_classes_are_refused(tmp_path, other):
    write(tmp_path / "train.parquet", names=["cat", "dog", "owl"])
    write(tmp_path / "test.parquet", names=other)
    with pytest.raises(DataError, match=r"test\.parquet: its class names differ from those of train\.parquet"):
        load("parquet", path=str(tmp_path))


@pytest.mark.parametrize("names", ["cat", {"0": "cat"}])
def test_class_names_that_are_no_list_are_as_good_as_none(tmp_path, names):
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", names=names)
    assert load("parquet", path=str(tmp_path))[1] == ["0", "1", "2"]


def test_parquet_needs_little_more_memory_than_the_images(tmp_path):
    plain = np.zeros((200, 64, 64, 3), np.uint8)
    for shard in range(4):
        write(tmp_path / f"train-{shard}.parquet", plain, [0] * 200)
    write(tmp_path / "test.parquet", plain[:1], [1])
    load("parquet", path=str(tmp_path))  # what is imported on the way is not to be counted
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


def test_an_npz_without_all_arrays_says_what_it_holds(tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=IMAGES, labels=LABELS)
    with pytest.raises(DataError, match="y_train, x_test, y_test missing; it holds x_train, labels"):
        load("npz", path=str(tmp_path / "mine.npz"))


@pytest.mark.parametrize("keep", [0, 30, 0.5, 0.95])
def test_a_truncated_npz_is_one_sentence(tmp_path, keep):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **ARRAYS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=r"mine\.npz cannot be read as a NumPy \.npz file"):
        load("npz", path=str(path))


def test_an_npz_that_would_run_code_is_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", **ARRAYS | {"y_train": np.array([{}] * 10, dtype=object)})
    with pytest.raises(DataError, match="cannot be read"):
        load("npz", path=str(tmp_path / "mine.npz"))


@pytest.mark.parametrize("label", [2_000_000_000, 2**62])
def test_a_label_that_can_only_be_a_mistake_names_no_billion_classes(tmp_path, label):
    np.savez(tmp_path / "mine.npz", **ARRAYS | {"y_train": np.array([*LABELS[:-1], label])})
    write(tmp_path / "train.parquet", labels=[*LABELS[:-1], label])
    write(tmp_path / "test.parquet")
    for source, path in (("npz", tmp_path / "mine.npz"), ("parquet", tmp_path)):
        with pytest.raises(DataError, match=f"a label is {label}; without class names all should be of 0–99999"):
            load(source, path=str(path))


@pytest.mark.parametrize("content", [b"", b"some text", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_npz_is_one_sentence_without_advice_on_pickles(tmp_path, content):
    with pytest.raises(DataError, match="there is no such file"):
        load("npz", path=str(tmp_path / "mine.npz"))
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match="it is no zip archive, or not all of one"):
        load("npz", path=str(tmp_path / "mine.npz"))


@pytest.mark.parametrize("source", ["npz", "parquet"])
def test_whichever_bytes_are_damaged_nothing_but_a_data_error_comes_of_it(tmp_path, source):
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


SMALL = {"image_size": 16, "classes": 10, "train_images": 1500, "test_images": 500}


def test_the_digits_are_real_stratified_rgb_images():
    arrays, class_names = load("digits")
    assert [arrays[name].shape for name in ("x_train", "x_test")] == [(1437, 8, 8, 3), (360, 8, 8, 3)]
    assert arrays["x_train"].dtype == np.uint8 and arrays["x_train"].max() == 255
    assert class_names == list("0123456789")
    shares = np.bincount(arrays["y_test"]) / np.bincount(np.concatenate([arrays["y_train"], arrays["y_test"]]))
    assert np.all(np.abs(shares - 0.2) < 0.01)


def test_synthetic_images_are_as_many_as_asked_for_and_the_same_each_time():
    arrays, names = load("synthetic", synthetic=SMALL)
    assert arrays["x_train"].shape == (1500, 16, 16, 3) and arrays["x_test"].shape == (500, 16, 16, 3)
    assert np.bincount(arrays["y_train"]).tolist() == [150] * 10 and len(names) == 10
    again, _ = load("synthetic", synthetic=SMALL)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)
    seen = {image.tobytes() for image in arrays["x_train"]}
    assert not any(image.tobytes() in seen for image in arrays["x_test"])


def test_synthetic_images_can_be_learned_but_not_all_of_them():
    arrays, _ = load("synthetic", synthetic=SMALL)
    features = {name: arrays[name].reshape(len(arrays[name]), -1) / 255 for name in ("x_train", "x_test")}
    learned = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)).fit(
        features["x_train"], arrays["y_train"]
    )
    assert 0.3 < learned.score(features["x_test"], arrays["y_test"]) < 0.99  # chance is 0.1


@pytest.mark.parametrize("size", [1, 3, 8, 33])
def test_synthetic_images_have_any_size(size):
    small = {"image_size": size, "classes": 2, "train_images": 3, "test_images": 1}
    arrays, _ = load("synthetic", synthetic=small)
    assert arrays["x_train"].shape == (3, size, size, 3) and arrays["x_train"].std() > 0


def test_large_synthetic_images_are_made_a_few_at_a_time():
    large = {"image_size": 256, "classes": 2, "train_images": 150, "test_images": 1}
    tracemalloc.start()
    arrays, _ = load("synthetic", synthetic=large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < arrays["x_train"].nbytes + 100e6  # 150 at once would take 118 MB for each of several such arrays


def test_cifars_classes_have_their_names():
    assert len(CLASS_NAMES["cifar10"]) == 10 and len(set(CLASS_NAMES["cifar100"])) == 100
    assert CLASS_NAMES["cifar100"] == sorted(CLASS_NAMES["cifar100"])


@pytest.mark.parametrize("archive", [None, b"half of it"])
def test_a_download_that_fails_is_one_sentence_and_leaves_nothing(tmp_path, archive):
    # As on a machine without a network: a proxy that refuses. Keras is asked in a process of its own, which takes the
    # variables from its start.
    target = tmp_path / "keras" / "datasets" / "cifar-100-python-target_archive"
    if archive:
        target.parent.mkdir(parents=True)
        target.write_bytes(archive)
    (tmp_path / "config.yaml").write_text("dataset: {source: keras, name: cifar100}\nbackends: [jax]\n")
    proxy = "http://127.0.0.1:9"
    ran = subprocess.run(
        [sys.executable, "-m", "vitbench", "data", "--config", "config.yaml"],
        env=os.environ
        | {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": proxy, "HTTPS_PROXY": proxy}
        | {"PYTHONPATH": os.pathsep.join(sys.path)},
        **{"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120},
    )
    assert ran.returncode == 1
    (sentence,) = [line for line in ran.stderr.splitlines() if line.startswith("Error: ")]
    assert "cifar100 could not be had" in sentence and str(tmp_path / "keras") in sentence
    assert "Traceback" not in ran.stderr
    assert not target.exists() and not (tmp_path / "results").exists()
