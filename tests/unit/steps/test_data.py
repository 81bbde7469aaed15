import numpy as np
import pytest

from vitbench.config.schema import Config
from vitbench.data.arrays import DataError
from vitbench.results.paths import Results
from vitbench.steps.data import run
from vitbench.system.files import read_json


def make_arrays(**changes) -> dict[str, np.ndarray]:
    images = np.arange(4 * 8 * 8 * 3, dtype=np.uint32).reshape(4, 8, 8, 3).astype(np.uint8)
    images[1:] += np.arange(1, 4, dtype=np.uint8)[:, None, None, None]
    labels = np.array([0, 1, 0, 1])
    return {"x_train": images, "y_train": labels, "x_test": 255 - images, "y_test": labels} | changes


def test_the_same_config_writes_the_same_arrays(tmp_path):
    config = Config(experiment="x", dataset={"source": "digits", "name": "digits"})
    manifests = []
    for folder in ("a", "b"):
        run(config, Results(tmp_path / folder))
        manifests.append(read_json(Results(tmp_path / folder).manifest))
    assert manifests[0] == manifests[1]
    assert set(manifests[0]["sha256"]) == {"x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"}


def test_the_saved_arrays_do_not_depend_on_their_memory_layout(tmp_path):
    arrays = make_arrays()
    manifests = []
    for folder, order in (("rows", "C"), ("columns", "F")):
        x = {name: np.asarray(arrays[name], order=order) for name in ("x_train", "x_test")}
        np.savez(tmp_path / f"{folder}.npz", **arrays | x)
        path = str(tmp_path / f"{folder}.npz")
        dataset = {"source": "npz", "name": "mine", "path": path, "validation_fraction": 0.5}
        run(Config(experiment="x", dataset=dataset), Results(tmp_path / folder))
        manifests.append(read_json(Results(tmp_path / folder).manifest)["sha256"])
    assert manifests[0] == manifests[1]


def test_refused_data_leaves_nothing_behind(tmp_path):
    np.savez(tmp_path / "mine.npz", **make_arrays(y_test=np.array([0, 1, 0, 7]), class_names=np.array(["a", "b"])))
    config = Config(experiment="x", dataset={"source": "npz", "name": "mine", "path": str(tmp_path / "mine.npz")})
    with pytest.raises(DataError, match="y_test"):
        run(config, Results(tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_no_manifest_exists_while_arrays_are_being_replaced(tmp_path):
    results = Results(tmp_path / "results")
    digits = Config(experiment="x", dataset={"source": "digits", "name": "digits"})
    run(digits, results)
    results.labels("test").unlink()
    results.labels("test").mkdir()  # the last array cannot be moved into place
    with pytest.raises(OSError):
        run(digits, results)
    assert not results.manifest.exists()
