"""The sentences of the report claim what the tables carry, and no more."""

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.report.methods import describe_method, summarize_parity, summarize_time
from vitbench.report.summary import summarize


def answer(settings=None, **options) -> list[str]:
    settings = settings or fake_results.config()
    tables = fake_results.tables(settings, **options)
    return told(tables, settings)


def told(tables, settings) -> list[str]:
    sentences = summarize(tables, settings)
    return [s.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ") for s in sentences]


def of_accuracy(sentences: list[str]) -> str:
    (found,) = [sentence for sentence in sentences if sentence.startswith("Test accuracy is")]
    return found


def test_a_clear_winner_is_named_with_its_ratios():
    advice, training, inference, *_ = answer()
    assert advice == (
        "On this hardware (Made-up CPU @ 3.00 GHz), jax is the fastest backend for both training and inference of vit."
    )
    assert training == (
        "In training, jax reaches 1,234 images/s (tuned, batch size 64): "
        "1.20 × as fast as tensorflow (95 % CI 1.18 to 1.22) and 1.60 × as fast as torch (1.58 to 1.62)."
    )
    assert inference.startswith(
        "In inference, jax reaches 3,702 images/s (tuned, batch size 64): 1.20 × as fast as tens"
    )


def test_the_winner_need_not_be_the_first_backend():
    advice, training, *_ = answer(speeds={"jax": 100.0, "torch": 300.0, "tensorflow": 200.0})
    assert advice.endswith("torch is the fastest backend for both training and inference of vit.")
    assert "torch reaches 300 images/s (tuned, batch size 64): 1.50 × as fast as tensorflow" in training
    assert training.endswith("and 3.0 × as fast as jax (2.96 to 3.05).")


def test_training_and_inference_may_have_different_winners():
    settings = fake_results.config()
    faster = fake_results.tables(settings, speeds={"jax": 100.0, "torch": 300.0, "tensorflow": 200.0})
    tables = fake_results.tables(settings)
    mixed = {
        name: pd.concat(
            [tables[name][tables[name][by] != value], faster[name][faster[name][by] == value]], ignore_index=True
        )
        for name, by, value in (
            ("throughput", "phase", "infer"),
            ("comparisons", "metric", "infer_images_per_second"),
        )
    }
    advice, *_ = told(tables | mixed, settings)
    assert advice.endswith(", jax is the fastest backend for training vit; torch is the fastest backend for inference.")


def test_a_tie_has_no_winner():
    advice, training, *_ = answer(speeds={"jax": 1000.0, "torch": 990.0, "tensorflow": 500.0})
    assert advice.endswith(", jax and torch are equally fast for both training and inference of vit.")
    assert "fastest" not in training
    assert "jax and torch are equally fast to within 5 %: 1,000 and 990 images/s" in training
    assert training.endswith("(tuned, batch size 64); jax is 2.0 × as fast as tensorflow (95 % CI 1.97 to 2.03).")


def test_speeds_that_scatter_too_much_have_no_winner_either():
    tables = fake_results.tables(fake_results.config(), scatter=0.2)
    advice, training, *_ = told(tables, fake_results.config())
    assert advice.endswith("which of jax and tensorflow is the fastest for both training and inference of vit.")
    assert "the timed blocks do not show which of jax and tensorflow is the fastest: 1" in training


def test_a_gated_backend_is_named():
    _, training, inference, accuracy, _ = answer(gated=["torch"])
    assert training.endswith("1.20 × as fast as tensorflow (95 % CI 1.18 to 1.22); stopped by the parity gate: torch.")
    assert "torch" not in inference
    assert "torch" not in accuracy.split(";")[0]
    assert accuracy.endswith("2 of 6 runs did not complete.")


def test_a_backend_that_was_timed_although_its_parity_failed_is_no_answer():
    settings = fake_results.config()
    tables = fake_results.tables(settings)
    for name in ("runs", "throughput"):
        unequal = tables[name]["backend"] == "jax"
        tables[name]["error"] = tables[name]["error"].astype(object).mask(unequal, "parity failed: logits differ")
    advice, training, inference, accuracy, from_cold = told(tables, settings)
    assert advice.endswith("tensorflow is the fastest backend for both training and inference of vit.")
    assert training.endswith("; not compared, because parity failed: jax.")
    assert not [said for said in (inference, accuracy, from_cold) if "jax" in said]


def test_missing_backends_are_named_together():
    advice, training, _, accuracy = answer(missing=["torch", "tensorflow"])
    assert advice.endswith("only jax was measured for both training and inference of vit.")
    assert "jax reaches 1,234 images/s" in training
    assert training.endswith("there is no other backend to compare it with; not measured: torch and tensorflow.")
    assert accuracy.endswith("(mean ± standard deviation, 2 seeds); there is no other backend to compare it with.")


def test_nothing_completed():
    speed, accuracy = answer(missing=["jax", "torch", "tensorflow"])
    assert speed == "On this hardware, no speed of vit was measured; not measured: jax, torch and tensorflow."
    assert accuracy == "No training run completed, so there is no test accuracy to report."


def test_the_way_from_a_cold_start_to_the_target_is_told_fastest_first():
    settings = fake_results.config(report={"title": "x", "target_accuracy": 0.5})
    tables = fake_results.tables(settings)
    slow = tables["runs"]["backend"] == "jax"
    tables["runs"]["import_seconds"] = tables["runs"]["import_seconds"].mask(slow, 60.0)
    assert told(tables, settings)[-1] == (
        "From the start of the process to a validation accuracy of 0.500, runs took 7.50 s on torch, 7.50 s on "
        "tensorflow and 65.4 s on jax (medians over the runs that reached it)."
    )


def test_runs_that_did_not_reach_the_target_are_told():
    settings = fake_results.config(report={"title": "x", "target_accuracy": 0.5})
    tables = fake_results.tables(settings)
    epochs = tables["epochs"]
    late = (epochs["backend"] == "tensorflow") | ((epochs["backend"] == "jax") & (epochs["seed"] == 1))
    epochs["val_accuracy"] = epochs["val_accuracy"].mask(late, 0.4)
    assert told(tables, settings)[-1] == (
        "From the start of the process to a validation accuracy of 0.500, runs took 7.50 s on jax (1 of 2 runs) and "
        "7.50 s on torch (medians over the runs that reached it); it was not reached on tensorflow."
    )


def test_a_diverged_run_is_not_waited_for():
    settings = fake_results.config()
    tables = fake_results.tables(settings)
    runs, epochs = tables["runs"], tables["epochs"]
    whole = told(tables, settings)[-1]
    first = (runs["backend"] == "jax") & (runs["seed"] == 1)
    runs["status"] = runs["status"].mask(first, "diverged")
    in_run = (epochs["backend"] == "jax") & (epochs["seed"] == 1)
    cut = epochs[~in_run | (epochs["epoch"] == 1)].assign(val_accuracy=lambda e: e["val_accuracy"].mask(in_run, 0.01))
    assert "accuracy of 0.9" in whole
    assert told(tables | {"epochs": cut}, settings)[-1] == whole


def test_the_precision_is_named_where_there_are_several():
    settings = fake_results.config(precisions=["float32", "mixed_bfloat16"])
    _, training, inference, accuracy, from_cold = answer(settings)
    assert "(tuned, float32, batch size 64)" in training and "(tuned, float32," in inference
    assert accuracy.startswith("Test accuracy in float32 is ") and "in float32, runs took" in from_cold


def test_further_precisions_are_compared_with_the_first():
    settings = fake_results.config(precisions=["float32", "mixed_bfloat16"])
    tables = fake_results.tables(settings)
    timed = tables["throughput"]
    reduced = timed[timed["backend"] != "tensorflow"].assign(precision="mixed_bfloat16")
    factor = reduced["backend"].map({"jax": 2.75, "torch": 0.5}) * reduced["phase"].map({"train": 1, "infer": 2})
    reduced["images_per_second"] *= factor
    said = told(tables | {"throughput": pd.concat([timed, reduced], ignore_index=True)}, settings)[3]
    assert said == (
        "In mixed_bfloat16, compared with float32, training speed is 2.8 × on jax and 0.50 × on torch; "
        "inference speed is 5.5 × on jax and 1.00 × on torch."
    )


def test_the_main_model_may_leave_a_backend_to_the_baseline():
    baseline = {"model": "resnet50v2", "backends": ["tensorflow"]}
    accuracy = of_accuracy(answer(fake_results.config(backends=["jax"], baseline=baseline)))
    assert accuracy.endswith("there is no other backend to compare it with.")


def test_one_seed_shows_no_difference_and_no_deviation():
    accuracy = of_accuracy(answer(fake_results.config(seeds=[0])))
    assert "±" not in accuracy
    assert accuracy.endswith("(1 seed each); one seed cannot show a difference between backends.")


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("inconclusive", "with 2 seeds, no difference between backends was detected"),
        ("equivalent", "the backends are equivalent to within 0.010"),
        ("different", "jax is more accurate than torch by 0.021 (95 % CI 0.010 to 0.032)"),
    ],
)
def test_the_verdict_is_the_tables(verdict, says):
    accuracy = of_accuracy(answer(verdict=verdict))
    assert says in accuracy


def test_a_negative_difference_names_the_other_backend_as_higher():
    settings = fake_results.config()
    tables = fake_results.tables(settings, verdict="different")
    pairs = tables["comparisons"].head(1).assign(difference=-0.03, ci_low=-0.04, ci_high=-0.02)
    accuracy = of_accuracy(told(tables | {"comparisons": pairs}, settings))
    assert "torch is more accurate than jax by 0.030" in accuracy
    assert "CI 0.020 to 0.040" in accuracy


def test_unequal_numbers_of_seeds_stand_beside_the_values():
    accuracy = of_accuracy(answer(failed=[("torch", 1)]))
    assert "on torch (1)" in accuracy
    assert "on jax (2)" in accuracy
    assert "1 of 6 runs did not complete" in accuracy


def test_speeds_are_compared_at_one_batch_size_that_all_backends_have():
    settings = fake_results.config(throughput={"batch_sizes": [32, 128]})
    tables = fake_results.tables(settings)
    timed = tables["throughput"]
    timed = timed[~((timed["backend"] == "torch") & (timed["batch_size"] == 128))]
    _, training, *_ = told(tables | {"throughput": timed}, settings)
    assert "batch size 32)" in training
    assert "torch" in training


def test_only_the_published_execution_is_called_so():
    assert "(published, batch size" in answer(fake_results.config(executions={"throughput": ["published"]}))[1]


def test_different_devices_are_not_passed_off_as_one():
    settings = fake_results.config()
    tables = fake_results.tables(settings)
    runs = tables["runs"]
    runs.loc[runs["backend"] == "torch", "device"] = "Another CPU"
    advice, *_ = told(tables, settings)
    assert advice.startswith("On different devices (Made-up CPU @ 3.00 GHz; Another CPU)")


def test_a_failed_parity_is_told():
    settings = fake_results.config()
    parity = fake_results.tables(settings)["parity"]
    assert summarize_parity(parity, settings).startswith("All of 10 comparisons passed")
    parity.loc[(parity["backend"] == "torch").idxmax(), "passed"] = False
    assert summarize_parity(parity, settings) == "1 of 10 comparisons failed: vit on torch."
    only = summarize_parity(parity[parity["backend"] != "torch"], settings)
    assert only.startswith("All of 7") and only.endswith("Not compared: vit on torch.")
    by_numpy = parity.assign(reference_backend=parity["reference_backend"].mask(parity["backend"] == "torch", "numpy"))
    alone = summarize_parity(by_numpy, settings)
    assert alone.endswith("Compared with NumPy alone, because the reference backend failed: vit on torch.")
    assert summarize_parity(parity.head(0), settings) == "Nothing was compared: the parity step left no result."


def test_the_method_speaks_of_this_config():
    text = " ".join(describe_method(fake_results.config(), {"image_shape": [8, 8, 3], "train_images": 10}))
    assert "5 epochs for vit" in text
    assert "learning rate 0.001 and weight decay 0.0001, multiplied by the learning rate, seeds 0 and 1" in text
    assert "8 × 8 × 3" in text


def test_comparisons_of_another_model_do_not_count():
    settings = fake_results.config()
    tables = fake_results.tables(settings)
    foreign = tables["comparisons"].assign(model="resnet50v2", verdict="different")
    accuracy = of_accuracy(told(tables | {"comparisons": foreign}, settings))
    assert "no difference between backends was detected" in accuracy


def test_the_method_names_optimiser_decay_schedule_and_overlap():
    training = {
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 0.05, "decay": "independent"},
        "schedule": {"name": "cosine", "warmup_epochs": 2, "final_fraction": 0.05},
    }
    manifest = {"image_shape": [8, 8, 3], "train_images": 10, "test_images_in_train": 3}
    text = " ".join(describe_method(fake_results.config(training={"epochs": 5, **training}), manifest))
    assert (
        "SGD with momentum with learning rate 0.1 after a warm-up of 2 epochs, falling by a cosine to 5\u202f%" in text
    )
    assert "weight decay 0.05, not multiplied by the learning rate" in text
    assert "3 of the test images are also among the training images" in text


def test_the_time_of_the_experiment_and_the_workflows_share_are_told():
    jobs = fake_results.tables(fake_results.config())["jobs"]
    assert summarize_time(jobs).startswith("Commands ran for 80 seconds. For 120 seconds between them none did")
    assert summarize_time(jobs[:0]) == "No command recorded when it ran."
