"""The page that compares two experiments states only differences that the tests show."""

import json

import pandas as pd
import pytest

from helpers import fake_results
from helpers.sentences import plain
from vitbench.analysis import comparison as analysis
from vitbench.report.comparison import (
    accuracies_table,
    describe_excluded,
    describe_unmatched,
    environment_table,
    settings_table,
    speeds_table,
    summarize_comparison,
)
from vitbench.results.paths import Results

NAMES = ("a", "b")


@pytest.fixture
def a(tmp_path):
    return fake_results.write_directory(tmp_path / "a", fake_results.make_config(seeds=[0, 1, 2]))


@pytest.fixture
def b(tmp_path):
    return fake_results.write_directory(tmp_path / "b", fake_results.make_config(seeds=[0, 1, 2]))


def compare(a, b) -> list[str]:
    first, second = analysis.load_both(a, b)
    settings = second.config.statistics
    return plain(
        summarize_comparison(
            NAMES,
            analysis.compare_speeds(first, second, settings),
            analysis.compare_accuracies(first, second, settings),
            (analysis.compare_settings(first, second), analysis.compare_environments(first, second)),
            analysis.have_same_test_images(first, second),
            second.config,
        )
    )


def edit_runs(root, edit) -> None:
    path = Results(root).tables / "runs.parquet"
    edit(pd.read_parquet(path)).to_parquet(path)


def test_equal_experiments_differ_in_nothing(a):
    main_speeds, all_speeds, resolution, accuracies, others = compare(a, a)
    everywhere = "equally fast on jax, torch and tensorflow"
    assert main_speeds == f"In b, compared with a, training of vit is {everywhere}; inference is {everywhere}."
    assert all_speeds == "Of 22 measurements in both experiments: 22 equally fast."
    assert resolution.startswith("Judging by the scatter over rounds, two runs of one experiment may differ by ")
    assert "% in training and " in resolution
    assert accuracies == "For 4 configurations in both, no difference in test accuracy was detected."
    assert others == "Config, hardware and software are the same, as far as they are recorded."


def test_only_a_detected_difference_of_speed_is_stated(a, tmp_path):
    speeds = fake_results.SPEEDS | {"torch": 2 * fake_results.SPEEDS["torch"]}
    b = fake_results.write_directory(tmp_path / "b", fake_results.make_config(seeds=[0, 1, 2]), speeds=speeds)
    main_speeds, all_speeds, *_ = compare(a, b)
    assert (
        "training of vit is 2.0 × as fast on torch and equally fast on jax and tensorflow; inference is" in main_speeds
    )
    assert all_speeds == "Of 22 measurements in both experiments: 6 faster and 16 equally fast."


def test_a_detected_difference_of_accuracy_is_stated_with_its_interval(a, b):
    def lower_torch(runs):
        runs.loc[runs["backend"] == "torch", "test_accuracy"] -= 0.2
        return runs

    edit_runs(b, lower_torch)
    *_, accuracies, _ = compare(a, b)
    assert accuracies.startswith("Test accuracy in b differs by −0.200 for vit on torch (−0.")


def test_configurations_are_named_by_what_distinguishes_them(a, b):
    def add_published(runs, loss):
        published = runs.assign(execution="published", test_accuracy=runs["test_accuracy"] - loss)
        return pd.concat([runs, published], ignore_index=True)

    edit_runs(a, lambda runs: add_published(runs, 0.2))
    edit_runs(b, lambda runs: add_published(runs, 0.4))
    *_, accuracies, _ = compare(a, b)
    assert "for vit on jax (published) (" in accuracies and "(tuned)" not in accuracies


def test_accuracies_on_different_test_images_are_not_compared(a, b):
    manifest = json.loads(Results(b).manifest.read_text())
    manifest["sha256"] = {name: "0" for name in manifest["sha256"]}
    Results(b).manifest.write_text(json.dumps(manifest))
    assert compare(a, b)[-2] == "The test images of the two experiments differ, so accuracies are not compared."


def test_a_single_run_shows_no_difference_of_accuracy(a, b):
    edit_runs(b, lambda runs: runs[runs["seed"] == 0])
    *_, accuracies, _ = compare(a, b)
    assert accuracies == "With a single run in one of the experiments, no difference in test accuracy can be shown."


def test_equivalent_accuracies_are_stated_with_the_margin(a, b):
    for root in (a, b):
        edit_runs(root, lambda runs: runs.assign(test_accuracy=0.9 + 1e-4 * runs["seed"]))
    *_, accuracies, _ = compare(a, b)
    assert accuracies == "Test accuracies are equivalent to within 0.010."


def test_unmatched_and_excluded_configurations_are_named():
    only_a, failed = {("vit", "torch", "tuned", "float32")}, {("vit", "jax", "native", "float32")}
    assert describe_unmatched([only_a, set()], NAMES) == ["Only in a: vit · torch · tuned · float32."]
    assert describe_unmatched([set(), set()], NAMES) == ["Both experiments measured the same configurations."]
    assert describe_excluded([set(), failed], NAMES) == [
        "Not compared, because parity failed in b: vit · jax · native · float32."
    ]
    assert describe_excluded([set(), set()], NAMES) == []


def test_the_tables_show_both_experiments_side_by_side(a, b):
    first, second = analysis.load_both(a, b)
    config = second.config
    speeds = analysis.compare_speeds(first, second, config.statistics)
    accuracies = analysis.compare_accuracies(first, second, config.statistics)
    page = str(speeds_table(speeds, NAMES, config))
    assert page.count("<tr") == len(speeds) + 1 and "a, images/s" in page and "b, images/s" in page
    page = str(accuracies_table(accuracies, NAMES, config, same_images=True))
    assert page.count("<tr") == len(accuracies) + 1 and "a (runs)" in page and "top-5" in page
    assert "<table" not in str(accuracies_table(accuracies, NAMES, config, same_images=False))


def test_a_setting_that_one_experiment_lacks_is_a_dash():
    differences = pd.DataFrame([("training.epochs", 5, None)], columns=["setting", "a", "b"], dtype=object)
    page = str(settings_table(differences, NAMES))
    assert "training.epochs" in page and ">5<" in page and ">–<" in page
    assert "packages.keras" in str(environment_table(differences.replace("training.epochs", "packages.keras"), NAMES))
