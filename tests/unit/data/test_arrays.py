import io
import tracemalloc

import numpy as np
import pytest

from vitbench.data.arrays import (
    DataError,
    channel_moments,
    check_arrays,
    count_overlap,
    describe_arrays,
    even_subset,
)
from vitbench.system import logs


def make_arrays(**changes) -> dict[str, np.ndarray]:
    images = np.arange(4 * 8 * 8 * 3, dtype=np.uint32).reshape(4, 8, 8, 3).astype(np.uint8)
    images[1:] += np.arange(1, 4, dtype=np.uint8)[:, None, None, None]
    labels = np.array([0, 1, 0, 1])
    return {"x_train": images, "y_train": labels, "x_test": 255 - images, "y_test": labels} | changes


def test_channel_moments_are_those_of_all_pixels():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 3), np.uint8)
    mean, variance = channel_moments(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(variance, images.astype(float).var(axis=(0, 1, 2)), rtol=1e-12)


def test_channel_moments_of_large_images_need_little_memory():
    images = np.full((1000, 128, 128, 3), 7, np.uint8)
    tracemalloc.start()
    mean, variance = channel_moments(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (mean, variance) == ([7.0] * 3, [0.0] * 3) and peak < 60e6  # 8 bytes per pixel of all images would be 131 MB


@pytest.mark.parametrize("n", [10, 25, 60])
def test_a_subset_draws_the_classes_evenly(n):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(5), [40, 40, 40, 40, 3]))
    indices = even_subset(labels, n)
    assert len(set(indices)) == n and list(indices) == sorted(indices)
    counts = np.bincount(labels[indices], minlength=5)
    assert counts[:4].max() - counts[:4].min() <= 1
    assert counts[4] == min(3, counts[:4].max()) or counts[4] >= counts[:4].min()


def test_a_subset_larger_than_the_data_is_refused():
    with pytest.raises(DataError, match="subset is 11, but there are only 10"):
        even_subset(np.zeros(10, int), 11)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("x_train", np.zeros((4, 8, 8, 3)), "x_train: expected images as uint8"),
        ("x_test", np.zeros((4, 8, 8), np.uint8), "x_test: expected images as uint8"),
        ("x_train", np.zeros((4, 0, 8, 3), np.uint8), "x_train: expected images as uint8"),
        ("x_test", np.zeros((0, 8, 8, 3), np.uint8), "x_test contains no images"),
        (
            "x_test",
            np.zeros((4, 9, 8, 3), np.uint8),
            r"x_test: the images have shape \(9, 8, 3\), but those of x_train",
        ),
        (
            "y_train",
            np.array([0, 1, 2, 3]),
            "y_train: expected labels from 0 to 1 for 2 class names, but got labels from 0 to 3",
        ),
        ("y_train", np.array([0, 1, -1, 0]), "y_train: expected labels from 0 to 1 .* but got labels from -1 to 1"),
        ("y_train", np.array([0.0, 1.0, 1.0, 0.0]), "y_train: expected 4 integers, but got float64"),
        ("y_test", np.array([0, 1]), "y_test: expected 4 integers"),
    ],
)
def test_unusable_arrays_are_refused_by_name(name, array, message):
    with pytest.raises(DataError, match=message):
        check_arrays(make_arrays(**{name: array}), ["a", "b"])


def test_a_single_class_is_refused():
    same = np.zeros(4, int)
    with pytest.raises(DataError, match="only one class"):
        check_arrays(make_arrays(y_train=same, y_test=same), ["a"])


def test_labels_of_any_integer_type_become_int32():
    arrays = check_arrays(make_arrays(y_train=np.array([0, 1, 0, 1], np.uint8)), ["a", "b"])
    assert arrays["y_train"].dtype == arrays["y_test"].dtype == np.int32


def test_test_images_among_the_training_images_are_counted():
    arrays = make_arrays()
    arrays["x_test"] = np.concatenate([arrays["x_train"][1:3], arrays["x_test"][:2]])
    assert count_overlap(arrays["x_train"], arrays["x_test"]) == 2
    assert describe_arrays(arrays, ["a", "b"], 0.25)["test_images_in_train"] == 2


def test_the_number_and_share_of_duplicated_test_images_are_printed(monkeypatch):
    monkeypatch.setattr(logs, "_terminal", io.StringIO())
    arrays = make_arrays()
    describe_arrays(arrays | {"x_test": arrays["x_train"][[0, 1, 1]]}, ["a", "b"], 0.25)
    describe_arrays(arrays, ["a", "b"], 0.25)
    lines = [line for line in logs._terminal.getvalue().splitlines() if "test images" in line]
    assert lines == ["data: 3 of 3 test images (100.0%) are also among the training images"]


def test_classes_without_images_are_listed_for_each_split():
    arrays = make_arrays(y_train=np.array([0, 0, 1, 1]))
    facts = describe_arrays(arrays, ["a", "b", "c"], 0.5)
    assert facts["validation_images"] == 2
    assert facts["classes_without_images"] == {"training": [1, 2], "validation": [0, 2], "test": [2]}


@pytest.mark.parametrize("fraction", [0.01, 0.9])
def test_a_split_without_training_images_is_refused(fraction):
    arrays = {name: array[:1] if "train" in name else array for name, array in make_arrays().items()}
    with pytest.raises(DataError, match="of 1 training images leaves 0 for training and 1 for validation"):
        describe_arrays(arrays, ["a", "b"], fraction)
