"""Two experiments are compared only in what both measured, and every difference between them is listed."""

import json

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.analysis.comparison import (
    compare_accuracies,
    compare_environments,
    compare_settings,
    compare_speeds,
    have_same_test_images,
    label_experiments,
    list_excluded,
    list_unmatched,
    load_both,
)
from vitbench.config.report import Statistics
from vitbench.results.paths import Results
from vitbench.system.logs import UserError

SETTINGS = Statistics()


@pytest.fixture
def a(tmp_path):
    return fake_results.write_directory(tmp_path / "a", fake_results.make_config(seeds=[0, 1, 2]))


def write_b(tmp_path, changes: dict | None = None, **options):
    """Another experiment. changes: of its config; `options` are those of `fake_results.make_tables`."""
    config = fake_results.make_config(seeds=[0, 1, 2], **(changes or {}))
    return fake_results.write_directory(tmp_path / "b", config, **options)


def test_an_experiment_does_not_differ_from_itself(a):
    first, second = load_both(a, a)
    assert compare_settings(first, second).empty and compare_environments(first, second).empty
    assert list_unmatched(first, second) == list_excluded(first, second) == [set(), set()]
    assert have_same_test_images(first, second)
    speeds = compare_speeds(first, second, SETTINGS)
    assert len(speeds) == 22 and speeds["verdict"].eq("equivalent").all()
    assert not compare_accuracies(first, second, SETTINGS)["verdict"].eq("different").any()


def test_only_the_backend_whose_speed_changed_differs(a, tmp_path):
    b = write_b(tmp_path, speeds=fake_results.SPEEDS | {"torch": 2 * fake_results.SPEEDS["torch"]})
    speeds = compare_speeds(*load_both(a, b), SETTINGS)
    is_torch = speeds["backend"] == "torch"
    assert speeds.loc[is_torch, "verdict"].eq("different").all()
    assert speeds.loc[is_torch, "ratio"].between(1.95, 2.05).all()
    assert speeds.loc[~is_torch, "verdict"].eq("equivalent").all()


def test_only_the_backend_whose_accuracy_changed_differs(a, tmp_path):
    b = write_b(tmp_path)
    path = Results(b).tables / "runs.parquet"
    runs = pd.read_parquet(path)
    runs.loc[runs["backend"] == "torch", "test_accuracy"] -= 0.2
    runs.to_parquet(path)
    accuracies = compare_accuracies(*load_both(a, b), SETTINGS)
    different = accuracies[accuracies["verdict"] == "different"]
    assert different[["backend", "metric"]].drop_duplicates().to_numpy().tolist() == [["torch", "test_accuracy"]]
    assert different["difference"].between(-0.22, -0.18).all()
    assert (different["mean_b"] - different["mean_a"]).tolist() == pytest.approx(different["difference"].tolist())
    assert different[["n_a", "n_b"]].to_numpy().tolist() == [[3, 3]]


def test_settings_and_environments_that_differ_are_listed(a, tmp_path):
    changes = {"training": {"epochs": 6, "batch_size": 64}, "report": {"title": "Another"}}
    b = write_b(tmp_path, changes)
    for path in b.rglob("environment.json"):
        content = json.loads(path.read_text())
        content["packages"]["keras"] = "4.0.0"
        path.write_text(json.dumps(content))
    first, second = load_both(a, b)
    (setting,) = compare_settings(first, second).to_dict("records")
    assert setting == {"setting": "training.epochs", "a": 5, "b": 6} and isinstance(setting["a"], int)
    properties = compare_environments(first, second).set_index("property")
    assert properties.loc["packages.keras"].tolist() == ["3.15.1", "4.0.0"]


def test_configurations_of_only_one_experiment_are_listed_and_not_compared(a, tmp_path):
    first, second = load_both(a, write_b(tmp_path, missing=["torch"]))
    only_first, only_second = list_unmatched(first, second)
    assert {backend for _, backend, *_ in only_first} == {"torch"} and only_second == set()
    assert "torch" not in set(compare_speeds(first, second, SETTINGS)["backend"])


def test_configurations_that_failed_parity_are_listed_and_not_compared(a, tmp_path):
    b = write_b(tmp_path, speeds=fake_results.SPEEDS | {"torch": 2 * fake_results.SPEEDS["torch"]})
    for name in ("runs", "throughput", "rounds"):
        path = Results(b).tables / f"{name}.parquet"
        table = pd.read_parquet(path)
        table["error"] = table["error"].astype(object).mask(table["backend"] == "torch", "parity failed: logits differ")
        table.to_parquet(path)
    first, second = load_both(a, b)
    for compare in (compare_speeds, compare_accuracies):
        assert set(compare(first, second, SETTINGS)["backend"]) == {"jax", "tensorflow"}
    excluded = list_excluded(first, second)
    assert excluded[0] == set() and {backend for _, backend, *_ in excluded[1]} == {"torch"}


def test_test_images_are_compared_by_their_recorded_digests(a, tmp_path):
    b = write_b(tmp_path)
    manifest = json.loads(Results(b).manifest.read_text())
    for digests in ({name: "0" for name in manifest["sha256"]}, {}):
        Results(b).manifest.write_text(json.dumps(manifest | {"sha256": digests}))
        assert not have_same_test_images(*load_both(a, b))
    assert not have_same_test_images(*load_both(b, b))  # nothing is recorded


def test_speeds_without_recorded_rounds_are_not_compared(a, tmp_path):
    b = write_b(tmp_path)
    (Results(b).tables / "rounds.parquet").unlink()
    assert compare_speeds(*load_both(a, b), SETTINGS).empty


def test_a_directory_without_tables_is_refused(a, tmp_path):
    with pytest.raises(UserError, match=r"nowhere contains no tables\. Pass the results/<experiment>"):
        load_both(a, tmp_path / "nowhere")


def test_experiments_of_equal_names_are_labelled_by_their_paths():
    assert label_experiments("x/a", "y/b") == ("a", "b")
    assert label_experiments("x/demo", "y/demo") == ("x/demo", "y/demo")
