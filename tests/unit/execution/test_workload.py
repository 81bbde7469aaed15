import numpy as np
import pytest

from vitbench.config.schema import Config
from vitbench.execution.workload import load_workload
from vitbench.models.registry import build_model
from vitbench.results.paths import Results
from vitbench.steps import data
from vitbench.system.files import read_json
from vitbench.system.logs import UserError

TINY = {"image_size": 8, "patch_size": 4, "projection_dim": 4, "num_heads": 1, "layers": 1}
CONFIG = Config(
    experiment="x",
    backends=["jax"],
    baseline=None,
    dataset={"source": "synthetic", "name": "x", "synthetic": {"image_size": 8, "classes": 3, "train_images": 20}},
    models={"vit": TINY | {"block_units": [4], "head_units": [4]}, "resnet50v2": None},
)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    results = Results(tmp_path_factory.mktemp("results"))
    data.run(CONFIG, results)
    parts = build_model("vit", CONFIG.models.parameters()["vit"], read_json(results.manifest))
    results.init("vit", 5).parent.mkdir()
    parts.classifier.save_weights(results.init("vit", 5))
    return results


def test_the_workload_has_the_initial_weights_of_the_seed_and_the_images_of_each_split(results):
    first, second = (load_workload(CONFIG, results, "vit", seed=5) for _ in range(2))
    for one, other in zip(first.parts.classifier.weights, second.parts.classifier.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert [len(labels) for _, labels in (first.train, first.validation, first.test)] == [18, 2, 10_000]
    assert first.normalization == read_json(results.manifest)["normalization"]


def test_without_a_seed_no_initial_weights_are_needed(results):
    assert load_workload(CONFIG, results, "vit", seed=None).parts.input_shape == (8, 8, 3)


def test_missing_initial_weights_are_an_error(results):
    with pytest.raises((OSError, ValueError)):
        load_workload(CONFIG, results, "vit", seed=6)


def test_images_that_do_not_match_the_manifest_are_refused(results, tmp_path):
    other = Results(tmp_path)
    data.run(CONFIG, other)
    np.save(other.labels("test"), np.zeros(3, np.int32))
    with pytest.raises(UserError, match="run the step data again"):
        load_workload(CONFIG, other, "vit", seed=None)
