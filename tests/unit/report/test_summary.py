"""The summary claims no more than the tables show: about hardware, accuracy and the time to the target."""

import pytest

from helpers import fake_results
from helpers.sentences import summarize_fake_results, summarize_tables


def accuracy_of(sentences: list[str]) -> str:
    (sentence,) = [sentence for sentence in sentences if sentence.startswith("Test accuracy is")]
    return sentence


def test_nothing_completed():
    speed, accuracy = summarize_fake_results(missing=["jax", "torch", "tensorflow"])
    assert speed == (
        "On this hardware, no speed of vit was measured. Not compared: jax, torch and tensorflow (not measured)."
    )
    assert accuracy == "No training run completed, so there is no test accuracy to report."


def test_several_devices_are_all_named():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    tables["runs"].loc[tables["runs"]["backend"] == "torch", "device"] = "Another CPU"
    answer, *_ = summarize_tables(tables, config)
    assert answer.startswith("On different devices (Made-up CPU @ 3.00 GHz; Another CPU)")


def test_backends_whose_plan_was_not_measured_are_named():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    assert not any("not measured" in sentence for sentence in summarize_tables(tables, config))
    throughput = tables["throughput"]
    is_unmeasured = (throughput["backend"] == "torch") & (throughput["execution"] == "tuned")
    throughput["plan_measured"] = throughput["plan_measured"].mask(is_unmeasured, False)
    warnings = [sentence for sentence in summarize_tables(tables, config) if "not measured" in sentence]
    assert len(warnings) == 1 and warnings[0].startswith("Warning: tune measured no plan of torch, so")


def test_backends_are_listed_by_the_time_to_the_target_startup_included():
    config = fake_results.make_config(report={"title": "x", "target_accuracy": 0.5})
    tables = fake_results.make_tables(config)
    runs = tables["runs"]
    runs["import_seconds"] = runs["import_seconds"].mask(runs["backend"] == "jax", 59.9)
    assert summarize_tables(tables, config)[-1] == (
        "From the start of the process to a validation accuracy of 0.500, runs took 7.50 s on torch, 7.50 s on "
        "tensorflow and 65.4 s on jax (medians over the runs that reached it)."
    )


def test_runs_that_missed_the_target_are_counted():
    config = fake_results.make_config(report={"title": "x", "target_accuracy": 0.5})
    tables = fake_results.make_tables(config)
    epochs = tables["epochs"]
    late = (epochs["backend"] == "tensorflow") | ((epochs["backend"] == "jax") & (epochs["seed"] == 1))
    epochs["val_accuracy"] = epochs["val_accuracy"].mask(late, 0.4)
    assert summarize_tables(tables, config)[-1] == (
        "From the start of the process to a validation accuracy of 0.500, runs took 7.50 s on jax (1 of 2 runs) and "
        "7.50 s on torch (medians over the runs that reached it). It was not reached on tensorflow."
    )


def test_a_diverged_run_does_not_lower_the_target():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    runs, epochs = tables["runs"], tables["epochs"]
    before = summarize_tables(tables, config)[-1]
    runs["status"] = runs["status"].mask((runs["backend"] == "jax") & (runs["seed"] == 1), "diverged")
    diverged = (epochs["backend"] == "jax") & (epochs["seed"] == 1)
    remaining = epochs[~diverged | (epochs["epoch"] == 1)]
    remaining = remaining.assign(val_accuracy=remaining["val_accuracy"].mask(diverged, 0.01))
    assert "accuracy of 0.9" in before
    assert summarize_tables(tables | {"epochs": remaining}, config)[-1] == before


def test_the_precision_is_named_if_there_are_several():
    config = fake_results.make_config(precisions=["float32", "mixed_bfloat16"])
    *_, accuracy, time = summarize_fake_results(config)
    assert accuracy.startswith("Test accuracy in float32 is ") and "in float32, runs took" in time


def test_the_baseline_may_have_backends_that_the_main_model_lacks():
    baseline = {"model": "resnet50v2", "backends": ["tensorflow"]}
    accuracy = accuracy_of(summarize_fake_results(fake_results.make_config(backends=["jax"], baseline=baseline)))
    assert accuracy.endswith("There is no other backend to compare it with.")


def test_one_seed_shows_no_difference_and_no_deviation():
    accuracy = accuracy_of(summarize_fake_results(fake_results.make_config(seeds=[0])))
    assert "±" not in accuracy
    assert accuracy.endswith("(1 seed each). One seed cannot show a difference between backends.")


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("inconclusive", "With 2 seeds, no difference in test accuracy between backends was detected."),
        ("equivalent", "The backends are equivalent to within 0.010."),
        ("different", "jax is more accurate than torch by 0.021 (95 % CI 0.010 to 0.032)"),
    ],
)
def test_the_verdict_is_that_of_the_table(verdict, sentence):
    assert sentence in accuracy_of(summarize_fake_results(verdict=verdict))


def test_a_negative_difference_names_the_other_backend_as_more_accurate():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config, verdict="different")
    pairs = tables["comparisons"].head(1).assign(difference=-0.03, ci_low=-0.04, ci_high=-0.02)
    accuracy = accuracy_of(summarize_tables(tables | {"comparisons": pairs}, config))
    assert "torch is more accurate than jax by 0.030" in accuracy
    assert "CI 0.020 to 0.040" in accuracy


def test_pairs_without_a_detected_difference_are_mentioned_beside_those_with_one():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    tables["comparisons"].loc[0, "verdict"] = "different"
    assert accuracy_of(summarize_tables(tables, config)).endswith(
        "jax is more accurate than torch by 0.021 (95 % CI 0.010 to 0.032), and no other difference between backends "
        "was detected."
    )


def test_unequal_numbers_of_seeds_follow_the_values():
    accuracy = accuracy_of(summarize_fake_results(failed=[("torch", 1)]))
    assert "on torch (1)" in accuracy
    assert "on jax (2)" in accuracy
    assert "1 of 6 runs did not complete" in accuracy


def test_comparisons_of_another_model_do_not_count():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    baseline = tables["comparisons"].assign(model="resnet50v2", verdict="different")
    accuracy = accuracy_of(summarize_tables(tables | {"comparisons": baseline}, config))
    assert "no difference in test accuracy between backends was detected" in accuracy
