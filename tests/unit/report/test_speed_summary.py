"""The sentences about speed name a fastest backend only if the rounds show that there is one."""

import pandas as pd

from helpers import fake_results
from helpers.sentences import plain, summarize_fake_results, summarize_tables
from vitbench.analysis.speeds import compare_backend_speeds
from vitbench.report.speed_summary import describe_disturbances, describe_noise
from vitbench.results.tables import as_table


def test_a_clear_winner_is_named_with_its_ratios():
    answer, training, inference, *_ = summarize_fake_results()
    assert answer == (
        "On this hardware (Made-up CPU @ 3.00 GHz), jax is the fastest backend for both training and inference of vit."
    )
    assert training == (
        "In training, jax reaches 1,234 images/s (tuned, batch size 64). "
        "It is 1.20 × as fast as tensorflow (95 % CI 1.18 to 1.22) and 1.60 × as fast as torch (1.57 to 1.63)."
    )
    assert inference.startswith(
        "In inference, jax reaches 3,702 images/s (tuned, batch size 64). It is 1.20 × as fast as tens"
    )


def test_the_winner_need_not_be_the_first_backend():
    speeds = {"jax": 100.0, "torch": 300.0, "tensorflow": 200.0}
    answer, training, *_ = summarize_fake_results(speeds=speeds)
    assert answer.endswith("torch is the fastest backend for both training and inference of vit.")
    assert "torch reaches 300 images/s (tuned, batch size 64). It is 1.50 × as fast as tensorflow" in training
    assert training.endswith("and 3.0 × as fast as jax (2.95 to 3.05).")


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
    answer, training, *_ = summarize_fake_results(scatter=0.14)
    assert answer.endswith(
        ", the measurements do not show which of jax and tensorflow is faster for either training or inference of vit."
    )
    assert "5 rounds do not show which of jax and tensorflow is faster: 1" in training


def test_fewer_than_three_rounds_cannot_show_a_fastest_backend():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    rounds = tables["rounds"][tables["rounds"]["round"] <= 2]
    speeds = compare_backend_speeds(rounds, config.statistics)
    accuracies = tables["comparisons"][tables["comparisons"]["metric"] == "test_accuracy"]
    comparisons = pd.concat([accuracies, pd.DataFrame(speeds)], ignore_index=True)
    _, training, *_ = summarize_tables(tables | {"comparisons": comparisons}, config)
    assert training.startswith(
        "In training, fewer than 3 rounds cannot show which of jax, tensorflow and torch is fastest"
    )


def test_the_answer_for_training_counts_the_startup_if_the_number_of_images_is_known():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    slow_start = tables["rounds"]["backend"] == "jax"
    tables["rounds"]["first_step_seconds"] = tables["rounds"]["first_step_seconds"].mask(slow_start, 30.0)
    answer, time, training, *_ = summarize_tables(tables, config, 1293)
    assert answer.endswith(
        "tensorflow is the fastest backend for training vit for 5 epochs; jax is the fastest backend for inference."
    )
    assert time == (
        "Predicted for 5 epochs, startup included: 13 s on tensorflow, 15 s on torch and 38 s on jax. "
        "tensorflow is 1.16 × as fast as torch (95 % CI 1.15 to 1.17) and 2.9 × as fast as jax (2.89 to 2.92). "
        "Shortest by number of epochs: tensorflow for up to 122, and jax from 123 on."
    )
    assert training.startswith("In steady-state training, jax reaches 1,234 images/s")


def test_without_rounds_the_answer_for_training_is_the_steady_state():
    config = fake_results.make_config()
    tables = fake_results.make_tables(config)
    answer, training, *_ = summarize_tables(tables | {"rounds": tables["rounds"][:0]}, config, 1293)
    assert answer.endswith("jax is the fastest backend for both training and inference of vit.")
    assert training.startswith("In training, jax reaches 1,234 images/s")


def make_controls(verdicts: dict[str, str]) -> pd.DataFrame:
    keys = {"model": "vit", "backend": "jax", "execution": "tuned", "precision": "float32", "batch_size": 64, "n": 5}
    rows = [keys | {"phase": phase, "difference": 0.031, "verdict": verdict} for phase, verdict in verdicts.items()]
    return as_table("controls", rows)


def test_the_noise_floor_is_what_two_measurements_of_the_same_thing_differ_by():
    assert plain(describe_noise(make_controls({"train": "equivalent", "infer": "inconclusive"}))) == [
        "Noise floor of this machine: two measurements of vit on jax (tuned) within a round differ by "
        "3.1 % in training and 3.1 % in inference (root mean square over 5 rounds)."
    ]
    assert describe_noise(make_controls({})) == []


def test_a_machine_on_which_equal_measurements_come_out_as_different_is_warned_about():
    controls = make_controls({"train": "different", "infer": "equivalent"})
    (sentence,) = describe_noise(controls)
    assert "Warning: in training, the two measurements differ significantly, although" in sentence


def test_measurements_that_were_disturbed_even_when_repeated_are_warned_about():
    quiet = {"status": "completed", "disturbed": False, "other_cpu_share": 0.01, "steal_share": 0.0}
    disturbed = quiet | {"disturbed": True, "other_cpu_share": 0.2, "steal_share": 0.05}
    unknown = {"status": "completed"}  # of an earlier version
    assert describe_disturbances(as_table("rounds", [quiet, unknown])) == []
    assert plain(describe_disturbances(as_table("rounds", [quiet, disturbed, unknown]))) == [
        "Warning: 1 of 3 measurements of speed were disturbed by other activity on the machine even when repeated; "
        "the table rounds says by what."
    ]


def test_of_more_than_two_undecided_backends_none_is_called_fastest():
    speeds = {"jax": 1000.0, "torch": 990.0, "tensorflow": 980.0}
    answer, training, *_ = summarize_fake_results(speeds=speeds, scatter=0.2)
    assert "do not show which of jax, torch and tensorflow is fastest for either training or inference" in answer
    assert training == (
        "In training, 5 rounds do not show which of jax, torch and tensorflow is fastest: "
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
