"""Two experiments: what differs between them is found, and only differences that are real are called so."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers import fake_results
from vitbench.analysis.comparison import (
    compare_accuracies,
    compare_environments,
    compare_settings,
    compare_speeds,
    list_excluded,
    have_same_test_images,
    label_experiments,
    load_both,
    list_unmatched,
)
from vitbench.analysis.statistics import compare_unpaired
from vitbench.config.report import Statistics
from vitbench.report.comparison import describe_excluded, describe_unmatched, summarize_comparison
from vitbench.results.paths import Results
from vitbench.system.logs import UserError


@pytest.fixture
def a(tmp_path):
    return fake_results.directory(tmp_path / "a", fake_results.config(seeds=[0, 1, 2]))


def another(tmp_path, changes: dict | None = None, **options):
    return fake_results.directory(tmp_path / "b", fake_results.config(seeds=[0, 1, 2], **(changes or {})), **options)


def told(a, b) -> list[str]:
    one, other = load_both(a, b)
    chosen = other.config.statistics
    found = (compare_settings(one, other), compare_environments(one, other))
    speeds, accuracies = compare_speeds(one, other, chosen), compare_accuracies(one, other, chosen)
    same = have_same_test_images(one, other)
    sentences = summarize_comparison(("a", "b"), speeds, accuracies, found, same, other.config)
    return [s.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ") for s in sentences]


def test_an_experiment_does_not_differ_from_itself(a):
    one, other = load_both(a, a)
    assert compare_settings(one, other).empty and compare_environments(one, other).empty
    assert list_unmatched(one, other) == [set(), set()]
    speeds, everywhere, accuracies, rest = told(a, a)
    everyone = "equally fast on jax, torch and tensorflow"
    assert speeds == f"In b, compared with a, for vit: training is {everyone}; inference is {everyone}."
    assert everywhere == "Of 20 measurements in both experiments: 20 equally fast."
    assert accuracies == "For 4 configurations in both, no difference in test accuracy was detected."
    assert rest.startswith("0 settings of the config and 0 recorded values")


def test_a_real_difference_of_speed_is_told_and_another_is_not(a, tmp_path):
    b = another(tmp_path, speeds=fake_results.SPEEDS | {"torch": 2 * fake_results.SPEEDS["torch"]})
    speeds, everywhere, *_ = told(a, b)
    assert "training is 2.0 × as fast on torch and equally fast on jax and tensorflow; inference is" in speeds
    assert everywhere == "Of 20 measurements in both experiments: 6 faster and 14 equally fast."
    found = compare_speeds(*load_both(a, b), Statistics())
    of_torch = found[found["backend"] == "torch"]
    assert of_torch["verdict"].eq("different").all() and of_torch["ratio"].between(1.95, 2.05).all()
    assert found.loc[found["backend"] != "torch", "verdict"].eq("equivalent").all()


def test_a_real_difference_of_accuracy_is_told(a, tmp_path):
    b = another(tmp_path)
    runs = Results(b).tables / "runs.parquet"
    frame = pd.read_parquet(runs)
    frame.loc[frame["backend"] == "torch", "test_accuracy"] -= 0.2
    frame.to_parquet(runs)
    *_, accuracies, _ = told(a, b)
    assert accuracies.startswith("Test accuracy in b differs by −0.200 for vit on torch (")


def test_settings_and_environments_that_differ_are_found(a, tmp_path):
    b = another(tmp_path, {"training": {"epochs": 6, "batch_size": 64}, "report": {"title": "Another"}})
    for path in b.rglob("environment.json"):
        content = json.loads(path.read_text())
        content["packages"]["keras"] = "4.0.0"
        path.write_text(json.dumps(content))
    one, other = load_both(a, b)
    (setting,) = compare_settings(one, other).to_dict("records")
    assert setting == {"setting": "training.epochs", "a": 5, "b": 6} and isinstance(setting["a"], int)
    found = compare_environments(one, other).set_index("property")
    assert found.loc["packages.keras"].tolist() == ["3.15.1", "4.0.0"]


def test_contestants_of_one_alone_are_told_and_not_compared(a, tmp_path):
    b = another(tmp_path, missing=["torch"])
    one, other = load_both(a, b)
    only = list_unmatched(one, other)
    assert {keys[1] for keys in only[0]} == {"torch"} and only[1] == set()
    assert "torch" not in set(compare_speeds(one, other, Statistics())["backend"])
    assert describe_unmatched(only, ("a", "b"))[0].startswith("Only in a: vit · torch")


def test_what_was_measured_although_its_parity_failed_is_not_compared(a, tmp_path):
    b = another(tmp_path, speeds=fake_results.SPEEDS | {"torch": 2 * fake_results.SPEEDS["torch"]})
    for name in ("runs", "throughput"):
        path = Results(b).tables / f"{name}.parquet"
        frame = pd.read_parquet(path)
        frame["error"] = frame["error"].astype(object).mask(frame["backend"] == "torch", "parity failed: logits differ")
        frame.to_parquet(path)
    one, other = load_both(a, b)
    for found in (compare_speeds(one, other, Statistics()), compare_accuracies(one, other, Statistics())):
        assert set(found["backend"]) == {"jax", "tensorflow"}
    left_out = list_excluded(one, other)
    assert left_out[0] == set() and {keys[1] for keys in left_out[1]} == {"torch"}
    (sentence,) = describe_excluded(left_out, ("a", "b"))
    assert sentence.startswith("Not compared, because parity failed in b: vit · torch · native · float32, vit · torch")


def test_contestants_are_told_apart_by_what_they_differ_in(a, tmp_path):
    both = {"executions": {"train": ["published", "tuned"]}}
    frames = []
    for root in (a, another(tmp_path, both)):
        path = Results(root).tables / "runs.parquet"
        frame = pd.read_parquet(path)
        frames.append(pd.concat([frame, frame.assign(execution="published")], ignore_index=True))
        frames[-1].loc[frames[-1]["execution"] == "published", "test_accuracy"] -= 0.2 * len(frames)
        frames[-1].to_parquet(path)
    *_, accuracies, _ = told(a, tmp_path / "b/made-up")
    assert "for vit on jax (published) (" in accuracies and "(tuned)" not in accuracies


def test_accuracies_on_different_images_are_not_compared(a, tmp_path):
    b = another(tmp_path)
    manifest = json.loads(Results(b).manifest.read_text())
    manifest["sha256"] = {name: "0" for name in manifest["sha256"]}
    Results(b).manifest.write_text(json.dumps(manifest))
    assert told(a, b)[-2] == "The test images of the two experiments differ, so accuracies are not compared."


def test_speeds_whose_blocks_are_gone_are_shown_without_a_verdict(a, tmp_path):
    b = another(tmp_path)
    shutil.rmtree(b / "throughput")
    found = compare_speeds(*load_both(a, b), Statistics())
    assert len(found) and found["verdict"].str.startswith("no verdict").all()


def test_what_is_no_experiment_is_refused(a, tmp_path):
    with pytest.raises(UserError, match=r"nowhere contains no tables. Pass the results/<experiment>"):
        load_both(a, tmp_path / "nowhere")


def test_two_of_one_name_are_told_apart_by_their_paths(tmp_path):
    assert label_experiments("x/a", "y/b") == ("a", "b")
    assert label_experiments("x/demo", "y/demo") == ("x/demo", "y/demo")


@pytest.mark.parametrize("sizes", [(5, 5), (3, 8)])
def test_unpaired_runs_are_compared_as_scipy_does(sizes):
    random = np.random.default_rng(0)
    a, b = random.normal(0.9, 0.02, sizes[0]), random.normal(0.88, 0.05, sizes[1])
    found, expected = compare_unpaired(a, b, Statistics()), stats.ttest_ind(a, b, equal_var=False)
    assert found["p_value"] == pytest.approx(expected.pvalue)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    shifted = [
        stats.ttest_ind(a + s * 0.01, b, equal_var=False, alternative=w).pvalue
        for s, w in ((1, "greater"), (-1, "less"))
    ]
    assert found["p_equivalence"] == pytest.approx(max(shifted))


def test_one_run_is_no_comparison():
    found = compare_unpaired(np.array([0.9]), np.array([0.8, 0.7]), Statistics())
    assert found["n"] == 1 and "p_value" not in found
