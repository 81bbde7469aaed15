"""What a report gets from a results directory, complete or not."""

import json

import numpy as np
import pytest

from vitbench.analysis.load import flatten, load_results
from vitbench.config.schema import Config
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.results.predictions import save_predictions
from vitbench.results.schema import COLUMNS
from vitbench.results.tables import as_table, write_table
from vitbench.system.files import write_json

CONFIG = Config(backends=["jax"], baseline=None, seeds=[0], models={"resnet50v2": None})
RUN = Job("vit", "jax", "tuned", "float32", 0)


@pytest.fixture
def results(tmp_path) -> Results:
    """An experiment of which only the config is left."""
    results = Results(tmp_path)
    write_json(results.root / "config.json", CONFIG.model_dump(mode="json"))
    return results


def write_images(results: Results) -> None:
    write_json(results.manifest, {"class_names": ["zero", "one"]})
    for split in ("train", "test"):
        np.save(results.images(split), np.full((3, 2, 2, 3), 7, np.uint8))
        np.save(results.labels(split), np.array([1, 0, 1], np.int32))


def test_missing_files_are_empty(results):
    loaded = load_results(results.root)
    assert loaded.config == CONFIG and loaded.manifest == {}
    assert {name: list(table.columns) for name, table in loaded.tables.items()} == COLUMNS
    assert all(table.empty for table in loaded.tables.values())
    assert (loaded.tuning, loaded.environments, loaded.sample, loaded.samples) == ([], [], None, [])


def test_a_directory_without_a_config_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_results(tmp_path)


def test_images_come_with_the_name_of_their_class_and_the_predictions_of_each_configuration(results):
    write_images(results)
    row = RUN.key_columns(CONFIG) | {"seed": 0, "status": "completed"}
    write_table(results, "runs", as_table("runs", [row]))
    save_predictions(results.predictions("vit", "jax", "tuned", "float32", 0), np.log([[0.25, 0.75]] * 3))
    loaded = load_results(results.root)
    assert loaded.sample is not None
    image, class_name = loaded.sample
    assert (image.shape, image.dtype, class_name) == ((2, 2, 3), np.uint8, "one")
    assert [sample.class_name for sample in loaded.samples] == ["one", "zero", "one"]
    name, probability = loaded.samples[0].predicted["vit", "jax", "tuned", "float32"]
    assert (name, probability) == ("one", pytest.approx(0.75))


def test_the_environment_of_a_run_leaves_out_the_times_of_its_processes(results):
    write_json(RUN.result_path(results), {})
    execution = {"backend": "jax", "sessions": [1]}
    write_json(RUN.result_path(results).with_name("environment.json"), {"device": "CPU", "execution": execution})
    (environment,) = load_results(results.root).environments
    assert environment.values == {"device": "CPU", "execution": {"backend": "jax"}}


def test_the_environment_leaves_out_what_a_gpu_did_at_one_moment(results):
    write_json(RUN.result_path(results), {})
    gpus = [{"name": "H100", "clock_mhz": 1980, "other_processes": 0, "power_limit_watts": 700}]
    write_json(RUN.result_path(results).with_name("environment.json"), {"gpus": gpus})
    (environment,) = load_results(results.root).environments
    assert environment.values["gpus"] == [{"name": "H100", "power_limit_watts": 700}]


def test_the_caches_that_made_starts_warm_are_those_of_all_jobs(results):
    measurement = Job("vit", "jax", "tuned", "float32", round="1")
    assert load_results(results.root).warm_caches == []
    write_json(RUN.result_path(results), {})
    write_json(RUN.result_path(results).with_name("environment.json"), {"warm_caches": ["TRITON_CACHE_DIR"]})
    write_json(measurement.result_path(results), {"environment": {"warm_caches": ["JAX_COMPILATION_CACHE_DIR"]}})
    assert load_results(results.root).warm_caches == ["JAX_COMPILATION_CACHE_DIR", "TRITON_CACHE_DIR"]


def test_the_chosen_plans_come_with_their_model_backend_and_precision(results):
    write_json(results.tune("vit", "jax", "float32"), {"chosen": 1})
    assert load_results(results.root).tuning == [
        {"chosen": 1, "model": "vit", "backend": "jax", "precision": "float32"}
    ]


def test_nested_values_get_dotted_names():
    nested = json.loads('{"a": {"b": 1, "c": [2, {"d": null}]}, "e": [], "f": {}}')
    assert flatten(nested) == [("a.b", 1), ("a.c.0", 2), ("a.c.1.d", None), ("e", "none"), ("f", "none")]
