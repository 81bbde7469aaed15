"""The sentences about speed name a fastest backend only if the timed blocks show that there is one."""

import pandas as pd

from helpers import fake_results
from helpers.sentences import summarize_fake_results, summarize_tables


def test_a_clear_winner_is_named_with_its_ratios():
    answer, training, inference, *_ = summarize_fake_results()
    assert answer == (
        "On this hardware (Made-up CPU @ 3.00 GHz), jax is the fastest backend for both training and inference of vit."
    )
    assert training == (
        "In training, jax reaches 1,234 images/s (tuned, batch size 64). "
        "It is 1.20 × as fast as tensorflow (95 % CI 1.18 to 1.22) and 1.60 × as fast as torch (1.58 to 1.62)."
    )
    assert inference.startswith(
        "In inference, jax reaches 3,702 images/s (tuned, batch size 64). It is 1.20 × as fast as tens"
    )


def test_the_winner_need_not_be_the_first_backend():
    speeds = {"jax": 100.0, "torch": 300.0, "tensorflow": 200.0}
    answer, training, *_ = summarize_fake_results(speeds=speeds)
    assert answer.endswith("torch is the fastest backend for both training and inference of vit.")
    assert "torch reaches 300 images/s (tuned, batch size 64). It is 1.50 × as fast as tensorflow" in training
    assert training.endswith("and 3.0 × as fast as jax (2.96 to 3.05).")


def test_training_and_inference_may_have_different_winners():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    torch_wins = fake_results.make_tables(config, speeds={"jax": 100.0, "torch": 300.0, "tensorflow": 200.0})
    inference = {"throughput": ("phase", "infer"), "comparisons": ("metric", "infer_images_per_second")}
    mixed = {
        name: pd.concat(
            [
                tables[name][tables[name][column] != value],
                torch_wins[name][torch_wins[name][column] == value],
            ],
            ignore_index=True,
        )
        for name, (column, value) in inference.items()
    }
    answer, *_ = summarize_tables(tables | mixed, config)
    assert answer.endswith(", jax is the fastest backend for training vit; torch is the fastest backend for inference.")


def test_a_tie_has_no_winner():
    speeds = {"jax": 1000.0, "torch": 990.0, "tensorflow": 500.0}
    answer, training, *_ = summarize_fake_results(speeds=speeds)
    assert answer.endswith(", jax and torch are equally fast for both training and inference of vit.")
    assert "fastest" not in training
    assert "jax and torch are equally fast to within 5 %: 1,000 and 990 images/s" in training
    assert training.endswith("(tuned, batch size 64). jax is 2.0 × as fast as tensorflow (95 % CI 1.97 to 2.03).")


def test_speeds_with_too_much_scatter_have_no_winner():
    answer, training, *_ = summarize_fake_results(scatter=0.2)
    assert answer.endswith(
        ", the measurements do not show which of jax and tensorflow is faster for either training or inference of vit."
    )
    assert "the timed blocks do not show which of jax and tensorflow is faster: 1" in training


def test_of_more_than_two_undecided_backends_none_is_called_fastest():
    speeds = {"jax": 1000.0, "torch": 990.0, "tensorflow": 980.0}
    answer, training, *_ = summarize_fake_results(speeds=speeds, scatter=0.2)
    assert "do not show which of jax, torch and tensorflow is fastest for either training or inference" in answer
    assert training == (
        "In training, the timed blocks do not show which of jax, torch and tensorflow is fastest: "
        "1,000, 990 and 980 images/s (tuned, batch size 64)."
    )


def test_a_backend_that_the_parity_gate_stopped_is_named_once():
    _, training, inference, accuracy, _ = summarize_fake_results(gated=["torch"])
    assert training.endswith(
        "1.20 × as fast as tensorflow (95 % CI 1.18 to 1.22). Not compared: torch (stopped by the parity gate)."
    )
    assert "torch" not in inference
    assert "torch" not in accuracy.split(". ")[0]
    assert accuracy.endswith("2 of 6 runs did not complete.")


def test_a_backend_that_was_timed_although_it_failed_parity_is_left_out():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    for name in ("runs", "throughput"):
        failed = tables[name]["backend"] == "jax"
        tables[name]["error"] = tables[name]["error"].astype(object).mask(failed, "parity failed: logits differ")
    answer, training, *others = summarize_tables(tables, config)
    assert answer.endswith("tensorflow is the fastest backend for both training and inference of vit.")
    assert training.endswith(" Not compared: jax (failed parity).")
    assert len(others) == 3 and not any("jax" in sentence for sentence in others)


def test_missing_backends_are_named_together():
    answer, training, _, accuracy = summarize_fake_results(missing=["torch", "tensorflow"])
    assert answer.endswith(", only jax was measured for both training and inference of vit.")
    assert "jax reaches 1,234 images/s" in training
    assert training.endswith(
        "There is no other backend to compare it with. Not compared: torch and tensorflow (not measured)."
    )
    assert accuracy.endswith("(mean ± standard deviation, 2 seeds). There is no other backend to compare it with.")


def test_backends_are_grouped_by_the_reason_for_which_they_are_not_compared():
    _, training, *_ = summarize_fake_results(gated=["tensorflow"], too_large=[("torch", 64)])
    assert training.endswith("Not compared: torch (out of memory); tensorflow (stopped by the parity gate).")


def test_a_phase_may_lack_any_measurement():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    tables["throughput"] = tables["throughput"][tables["throughput"]["phase"] == "train"]
    answer, _, inference, *_ = summarize_tables(tables, config)
    assert answer.endswith("jax is the fastest backend for training vit; no backend was measured for inference.")
    assert inference.startswith("Inference speed was not measured. Not compared: ")


def test_precisions_are_named_if_there_are_several():
    config = fake_results.make_config(precisions=["float32", "mixed_bfloat16"])
    _, training, inference, *_ = summarize_fake_results(config)
    assert "(tuned, float32, batch size 64)" in training and "(tuned, float32," in inference


def test_further_precisions_are_compared_with_the_first():
    config = fake_results.make_config(precisions=["float32", "mixed_bfloat16"])
    tables = fake_results.make_tables(config)
    throughput = tables["throughput"]
    reduced = throughput[throughput["backend"] != "tensorflow"].assign(precision="mixed_bfloat16")
    factor = reduced["backend"].map({"jax": 2.75, "torch": 0.5}) * reduced["phase"].map({"train": 1, "infer": 2})
    reduced["images_per_second"] *= factor
    tables["throughput"] = pd.concat([throughput, reduced], ignore_index=True)
    assert summarize_tables(tables, config)[3] == (
        "In mixed_bfloat16, compared with float32, training speed is 2.8 × on jax and 0.50 × on torch; "
        "inference speed is 5.5 × on jax and 1.00 × on torch."
    )


def test_speeds_are_compared_at_a_batch_size_that_all_backends_have():
    config = fake_results.make_config(throughput={"batch_sizes": [32, 128]})
    tables = fake_results.make_tables(config)
    throughput = tables["throughput"]
    missing = (throughput["backend"] == "torch") & (throughput["batch_size"] == 128)
    _, training, *_ = summarize_tables(tables | {"throughput": throughput[~missing]}, config)
    assert "batch size 32)" in training
    assert "torch" in training


def test_the_published_execution_mode_is_named_if_it_is_the_only_one():
    config = fake_results.make_config(executions={"throughput": ["published"]})
    assert "(published, batch size" in summarize_fake_results(config)[1]
