import io
import tracemalloc

import numpy as np
import pytest

from vitbench.config.schema import Config
from vitbench.data.errors import DataError
from vitbench.results.paths import Results
from vitbench.steps.data import channel_moments, check, even_subset, examine, overlap, run
from vitbench.system import logs
from vitbench.system.files import read_json


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


def test_channel_moments_of_large_images_need_no_multiple_of_their_memory():
    images = np.full((1000, 128, 128, 3), 7, np.uint8)
    tracemalloc.start()
    mean, variance = channel_moments(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (mean, variance) == ([7.0] * 3, [0.0] * 3) and peak < 60e6  # 8 bytes for each pixel of all would be 131 MB


@pytest.mark.parametrize("n", [10, 25, 60])
def test_a_subset_holds_the_classes_evenly(n):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(5), [40, 40, 40, 40, 3]))
    chosen = even_subset(labels, n)
    assert len(set(chosen)) == n and list(chosen) == sorted(chosen)
    counts = np.bincount(labels[chosen], minlength=5)
    assert counts[:4].max() - counts[:4].min() <= 1
    assert counts[4] == min(3, counts[:4].max()) or counts[4] >= counts[:4].min()


def test_a_subset_larger_than_the_data_is_refused():
    with pytest.raises(DataError, match="subset is 11, but there are only 10"):
        even_subset(np.zeros(10, int), 11)


def four_of_two(**changes) -> dict[str, np.ndarray]:
    images = np.arange(4 * 8 * 8 * 3, dtype=np.uint32).reshape(4, 8, 8, 3).astype(np.uint8)
    images[1:] += np.arange(1, 4, dtype=np.uint8)[:, None, None, None]
    labels = np.array([0, 1, 0, 1])
    return {"x_train": images, "y_train": labels, "x_test": 255 - images, "y_test": labels} | changes


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("x_train", np.zeros((4, 8, 8, 3)), "x_train: expected images as uint8"),
        ("x_test", np.zeros((4, 8, 8), np.uint8), "x_test: expected images as uint8"),
        ("x_train", np.zeros((4, 0, 8, 3), np.uint8), "x_train: expected images as uint8"),
        ("x_test", np.zeros((0, 8, 8, 3), np.uint8), "x_test: there is no image in it"),
        ("x_test", np.zeros((4, 9, 8, 3), np.uint8), r"x_test: its images have shape \(9, 8, 3\), those of x_train"),
        ("y_train", np.array([0, 1, 2, 3]), "y_train: expected labels of 0–1, as there are 2 class names, found 0–3"),
        ("y_train", np.array([0, 1, -1, 0]), "y_train: expected labels of 0–1, .* found -1–1"),
        ("y_train", np.array([0.0, 1.0, 1.0, 0.0]), "y_train: expected 4 whole numbers, found float64"),
        ("y_test", np.array([0, 1]), "y_test: expected 4 whole numbers"),
    ],
)
def test_arrays_that_no_step_could_use_are_refused_by_name(name, array, message):
    with pytest.raises(DataError, match=message):
        check(four_of_two(**{name: array}), ["a", "b"])


def test_one_class_is_nothing_to_learn():
    same = np.zeros(4, int)
    with pytest.raises(DataError, match="one class only"):
        check(four_of_two(y_train=same, y_test=same), ["a"])


def test_labels_of_any_integer_type_become_int32():
    arrays = check(four_of_two(y_train=np.array([0, 1, 0, 1], np.uint8)), ["a", "b"])
    assert arrays["y_train"].dtype == arrays["y_test"].dtype == np.int32


def test_test_images_among_the_training_images_are_counted():
    arrays = four_of_two()
    arrays["x_test"] = np.concatenate([arrays["x_train"][1:3], arrays["x_test"][:2]])
    assert overlap(arrays["x_train"], arrays["x_test"]) == 2
    assert examine(arrays, ["a", "b"], 0.25)["test_images_in_train"] == 2


def test_images_of_both_parts_are_said_with_their_number_and_share(monkeypatch):
    monkeypatch.setattr(logs, "_terminal", io.StringIO())
    arrays = four_of_two()
    examine(arrays | {"x_test": arrays["x_train"][[0, 1, 1]]}, ["a", "b"], 0.25)
    examine(arrays, ["a", "b"], 0.25)
    said = [line for line in logs._terminal.getvalue().splitlines() if "test images" in line]
    assert said == ["data: 3 of 3 test images (100.0%) are also among the training images"]


def test_images_are_saved_one_after_the_other_however_they_lay_in_memory(tmp_path):
    arrays = four_of_two()
    manifests = []
    for folder, order in (("rows", "C"), ("columns", "F")):
        x = {name: np.asarray(arrays[name], order=order) for name in ("x_train", "x_test")}
        np.savez(tmp_path / f"{folder}.npz", **arrays | x)
        path = str(tmp_path / f"{folder}.npz")
        dataset = {"source": "npz", "name": "mine", "path": path, "validation_fraction": 0.5}
        run(Config(experiment="x", dataset=dataset), Results(tmp_path / folder))
        manifests.append(read_json(Results(tmp_path / folder).manifest)["sha256"])
    assert manifests[0] == manifests[1]


def test_classes_without_images_are_listed_for_each_part():
    arrays = four_of_two(y_train=np.array([0, 0, 1, 1]))
    found = examine(arrays, ["a", "b", "c"], 0.5)
    assert found["validation_images"] == 2
    assert found["classes_without_images"] == {"training": [1, 2], "validation": [0, 2], "test": [2]}


@pytest.mark.parametrize("fraction", [0.01, 0.9])
def test_a_split_that_leaves_nothing_is_refused(fraction):
    arrays = {name: array[:1] if "train" in name else array for name, array in four_of_two().items()}
    with pytest.raises(DataError, match="of 1 training images leaves 0 for training and 1 for validation"):
        examine(arrays, ["a", "b"], fraction)


def test_data_that_is_refused_leaves_nothing_behind(tmp_path):
    np.savez(tmp_path / "mine.npz", **four_of_two(y_test=np.array([0, 1, 0, 7]), class_names=np.array(["a", "b"])))
    config = Config(experiment="x", dataset={"source": "npz", "name": "mine", "path": str(tmp_path / "mine.npz")})
    with pytest.raises(DataError, match="y_test"):
        run(config, Results(tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_while_arrays_are_exchanged_no_manifest_vouches_for_them(tmp_path):
    results = Results(tmp_path / "results")
    digits = Config(experiment="x", dataset={"source": "digits", "name": "digits"})
    run(digits, results)
    results.labels("test").unlink()
    results.labels("test").mkdir()  # the last array cannot be put in place
    with pytest.raises(OSError):
        run(digits, results)
    assert not results.manifest.exists()
