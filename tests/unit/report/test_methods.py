"""The report's account of the method follows the config, and that of parity follows the table."""

from helpers import fake_results
from helpers.sentences import plain
from vitbench.report.methods import describe_method, summarize_parity, summarize_time


def test_the_method_names_the_data_and_the_training_of_this_config():
    text = " ".join(
        plain(describe_method(fake_results.make_config(), {"image_shape": [8, 8, 3], "train_images": 1797}))
    )
    assert "1,797 training images, of which the last 10 % are held out for validation" in text
    assert "8 × 8 × 3" in text
    assert "5 epochs for vit" in text
    assert (
        "AdamW (learning rate 0.001; weight decay 0.0001, multiplied by the learning rate), seeds 0 and 1. Every"
        in text
    )


def test_the_method_names_optimiser_decay_schedule_and_overlap():
    training = {
        "epochs": 5,
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 0.05, "decay": "independent"},
        "schedule": {"name": "cosine", "warmup_epochs": 2, "final_fraction": 0.05},
    }
    manifest = {"image_shape": [8, 8, 3], "train_images": 10, "test_images_in_train": 3}
    text = " ".join(plain(describe_method(fake_results.make_config(training=training), manifest)))
    assert (
        "SGD with momentum (learning rate 0.1 after a warm-up of 2 epochs, cosine decay to 5 % of it; weight decay "
        "0.05, not multiplied by the learning rate)" in text
    )
    assert "3 of the test images are also among the training images" in text


def test_the_method_explains_native_only_if_it_was_measured():
    text = " ".join(describe_method(fake_results.make_config(executions={"throughput": ["published"]}), {}))
    assert "Native" not in text
    assert "Native is the Vision Transformer" in " ".join(describe_method(fake_results.make_config(), {}))


def test_the_method_states_the_margins_of_equivalence():
    *_, statistics = plain(describe_method(fake_results.make_config(statistics={"confidence": 0.9}), {}))
    assert "confidence level is 90 %" in statistics
    assert "differ by less than 0.010" in statistics and "differ by less than 5 %" in statistics


def test_failed_and_missing_parity_comparisons_are_named():
    config = fake_results.make_config()
    parity = fake_results.make_tables(config)["parity"]
    assert summarize_parity(parity, config).startswith("All 11 comparisons passed; the largest difference uses ")
    assert summarize_parity(parity.head(1), config).startswith("The only comparison passed")
    parity.loc[(parity["backend"] == "torch").idxmax(), "passed"] = False
    assert summarize_parity(parity, config) == "1 of 11 comparisons failed: vit on torch."
    without_torch = summarize_parity(parity[parity["backend"] != "torch"], config)
    assert without_torch.startswith("All 8") and without_torch.endswith("Not compared: vit on torch.")
    assert summarize_parity(parity.head(0), config) == "Nothing was compared, because the parity step wrote no result."


def test_backends_that_were_compared_only_with_numpy_are_named():
    config = fake_results.make_config()
    parity = fake_results.make_tables(config)["parity"]
    parity["reference_backend"] = parity["reference_backend"].mask(parity["backend"] == "torch", "numpy")
    assert summarize_parity(parity, config).endswith(
        "Compared only with NumPy, because the reference backend failed: vit on torch."
    )


def test_the_time_of_the_commands_and_the_overhead_of_the_workflow_are_stated():
    jobs = fake_results.make_tables(fake_results.make_config())["jobs"]
    assert summarize_time(jobs).startswith(
        "Commands ran for 80 seconds. For another 120 seconds between them, none ran"
    )
    assert summarize_time(jobs[:0]) == "No command recorded when it ran."
