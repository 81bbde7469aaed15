import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vitbench.config.dataset import Dataset
from vitbench.data.sources import SOURCES

SMALL = {"image_size": 16, "classes": 10, "train_images": 1500, "test_images": 500}


def load(source: str, **settings):
    return SOURCES[source](Dataset(source=source, name="mine", **settings))


def test_the_digits_are_rgb_images_with_a_stratified_test_set():
    arrays, class_names = load("digits")
    assert [arrays[name].shape for name in ("x_train", "x_test")] == [(1437, 8, 8, 3), (360, 8, 8, 3)]
    assert arrays["x_train"].dtype == np.uint8 and arrays["x_train"].max() == 255
    assert class_names == list("0123456789")
    shares = np.bincount(arrays["y_test"]) / np.bincount(np.concatenate([arrays["y_train"], arrays["y_test"]]))
    assert np.all(np.abs(shares - 0.2) < 0.01)


def test_synthetic_images_have_the_configured_number_and_are_the_same_each_time():
    arrays, names = load("synthetic", synthetic=SMALL)
    assert arrays["x_train"].shape == (1500, 16, 16, 3) and arrays["x_test"].shape == (500, 16, 16, 3)
    assert np.bincount(arrays["y_train"]).tolist() == [150] * 10 and len(names) == 10
    again, _ = load("synthetic", synthetic=SMALL)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)
    train_images = {image.tobytes() for image in arrays["x_train"]}
    assert not any(image.tobytes() in train_images for image in arrays["x_test"])


def test_synthetic_classes_can_be_learned_but_not_perfectly():
    arrays, _ = load("synthetic", synthetic=SMALL)
    features = {name: arrays[name].reshape(len(arrays[name]), -1) / 255 for name in ("x_train", "x_test")}
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)).fit(
        features["x_train"], arrays["y_train"]
    )
    assert 0.3 < classifier.score(features["x_test"], arrays["y_test"]) < 0.99  # chance is 0.1


@pytest.mark.parametrize("size", [1, 3, 8, 33])
def test_synthetic_images_have_any_size(size):
    small = {"image_size": size, "classes": 2, "train_images": 3, "test_images": 1}
    arrays, _ = load("synthetic", synthetic=small)
    assert arrays["x_train"].shape == (3, size, size, 3) and arrays["x_train"].std() > 0


def test_large_synthetic_images_are_drawn_a_few_at_a_time():
    large = {"image_size": 256, "classes": 2, "train_images": 150, "test_images": 1}
    tracemalloc.start()
    arrays, _ = load("synthetic", synthetic=large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < arrays["x_train"].nbytes + 100e6  # all 150 at once would take several arrays of 118 MB each
