import numpy as np
import pytest

from vitbench.config import Config
from vitbench.config.dataset import Dataset
from vitbench.results import Results, read_json
from vitbench.steps.data import channel_moments, check, digits, even_subset, run


def test_the_digits_are_real_stratified_rgb_images():
    arrays, class_names = digits(Dataset(source="digits", name="digits"))
    assert [arrays[name].shape for name in ("x_train", "x_test")] == [(1437, 8, 8, 3), (360, 8, 8, 3)]
    assert arrays["x_train"].dtype == np.uint8 and arrays["x_train"].max() == 255
    assert class_names == list("0123456789")
    shares = np.bincount(arrays["y_test"]) / np.bincount(np.concatenate([arrays["y_train"], arrays["y_test"]]))
    assert np.all(np.abs(shares - 0.2) < 0.01)


def test_the_same_config_makes_the_same_arrays(tmp_path):
    config = Config(experiment="x", dataset={"source": "digits", "name": "digits"})
    manifests = []
    for folder in ("a", "b"):
        run(config, Results(tmp_path / folder))
        manifests.append(read_json(Results(tmp_path / folder).manifest))
    assert manifests[0] == manifests[1]
    assert set(manifests[0]["sha256"]) == {"x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"}


def test_channel_moments_are_those_of_all_pixels():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 3), np.uint8)
    mean, variance = channel_moments(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(variance, images.astype(float).var(axis=(0, 1, 2)), rtol=1e-12)


@pytest.mark.parametrize("n", [10, 25, 60])
def test_a_subset_holds_the_classes_evenly(n):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(5), [40, 40, 40, 40, 3]))
    chosen = even_subset(labels, n)
    assert len(set(chosen)) == n and list(chosen) == sorted(chosen)
    counts = np.bincount(labels[chosen], minlength=5)
    assert counts[:4].max() - counts[:4].min() <= 1
    assert counts[4] == min(3, counts[:4].max()) or counts[4] >= counts[:4].min()


def test_a_subset_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="subset is 11, but there are only 10"):
        even_subset(np.zeros(10, int), 11)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("x_train", np.zeros((4, 8, 8, 3)), "x_train: expected uint8"),
        ("x_test", np.zeros((4, 8, 8), np.uint8), "x_test: expected uint8"),
        ("y_train", np.array([0, 1, 2, 3]), "y_train: expected 4 labels of 0–1"),
        ("y_test", np.array([0, 1]), "y_test: expected 4 labels"),
    ],
)
def test_arrays_that_no_step_could_use_are_refused_by_name(name, array, message):
    images, labels = np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1])
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels} | {name: array}
    with pytest.raises(ValueError, match=message):
        check(arrays, ["a", "b"])
