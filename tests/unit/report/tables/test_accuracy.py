"""Tables of configurations and accuracies combine seeds, show every status and state what is compared."""

import pandas as pd
import pytest

from helpers import fake_results
from helpers.html_tables import read_caption, read_rows
from vitbench.report.tables import accuracy

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def settings():
    return fake_results.make_config(seeds=[0, 1, 2])


@pytest.fixture(scope="module")
def tables(settings):
    return fake_results.make_tables(settings, failed=[("torch", 1)], gated=["tensorflow"])


def results_rows(tables, settings, **changes) -> dict[tuple[str, str], dict]:
    arguments = {name: tables[name] for name in ("runs", "parity", "summaries")} | changes
    rows = read_rows(accuracy.results_table(**arguments, config=settings))
    return {(row["Model"], row["Backend"]): row for row in rows}


def test_a_configuration_has_one_row_over_its_seeds(tables, settings):
    rows = results_rows(tables, settings)
    assert list(rows) == [(m, b) for m, b in settings.model_backends()]
    row = rows["vit", "jax"]
    assert (row["Status"], row["n"], row["Parameters"]) == ("completed", "3", "345,678")
    assert row["Test accuracy"].startswith("0.9") and "±" in row["Test accuracy"]
    assert " to " in row["95\N{NARROW NO-BREAK SPACE}% interval"]


def test_failed_and_gated_runs_are_counted(tables, settings):
    rows = results_rows(tables, settings)
    assert rows["vit", "torch"]["Status"] == "completed 2 of 3, failed 1 of 3"
    assert rows["vit", "torch"]["n"] == "2"
    gated = rows["vit", "tensorflow"]
    assert (gated["Status"], gated["n"], gated["Test accuracy"]) == ("gated", "0", "–")


def test_a_single_seed_has_neither_deviation_nor_interval():
    settings = fake_results.make_config(seeds=[0])
    row = results_rows(fake_results.make_tables(settings), settings)["vit", "jax"]
    assert "±" not in row["Test accuracy"]
    assert row["95\N{NARROW NO-BREAK SPACE}% interval"] == "–"


def test_an_interval_of_accuracies_ends_at_one(tables, settings):
    summaries = tables["summaries"].assign(ci_low=0.9, ci_high=1.02)
    row = results_rows(tables, settings, summaries=summaries)["vit", "jax"]
    assert row["95\N{NARROW NO-BREAK SPACE}% interval"] == "0.900 to 1.000"


def test_failed_parity_and_resumed_runs_are_marked(tables, settings):
    parity = tables["parity"].assign(passed=tables["parity"]["backend"] != "jax")
    runs = tables["runs"].assign(resumptions=0)
    runs.loc[runs.index[0], "resumptions"] = 2
    rows = results_rows(tables, settings, parity=parity, runs=runs)
    assert rows["vit", "jax"]["Status"] == "completed, parity failed, 1 resumed"
    assert "parity failed" not in rows["vit", "torch"]["Status"]


def test_failed_parity_of_the_native_model_marks_no_keras_run(tables, settings):
    parity = tables["parity"].assign(passed=False, execution="native")
    assert results_rows(tables, settings, parity=parity)["vit", "jax"]["Status"] == "completed"


def test_jobs_that_did_not_complete_are_listed_with_their_reason():
    settings = fake_results.make_config(throughput={"batch_sizes": [32, 64]})
    tables = fake_results.make_tables(settings, failed=[("torch", 1)], too_large=[("torch", 64)])
    rows = read_rows(accuracy.unfinished_table(tables["runs"], tables["throughput"]))
    assert [row["Job"] for row in rows][:2] == ["run, seed 1", "throughput, training, batch size 64"]
    assert rows[0]["Reason"] == "MemoryError: <b>failed</b> on purpose"
    assert rows[1]["Status"] == "out_of_memory"


def test_a_complete_experiment_lists_no_unfinished_jobs_and_no_failures(settings):
    tables = fake_results.make_tables(settings)
    assert accuracy.unfinished_table(tables["runs"], tables["throughput"]) == ""
    assert accuracy.failures_list(tables["failures"]) == ""


def test_failures_show_the_escaped_end_of_their_log_but_gated_jobs_do_not():
    common = {"step": "train", "names": "vit · torch", "error": "", "jobs": 1, "log": "train.log"}
    failures = pd.DataFrame(
        [
            {**common, "status": "failed", "last_lines": SCRIPT},
            {**common, "status": "gated", "last_lines": "stopped"},
            {**common, "status": "missing", "last_lines": ""},
        ]
    )
    html = accuracy.failures_list(failures)
    assert html.count("<details>") == 1
    assert SCRIPT not in html and "&lt;script&gt;" in html


def test_differences_between_backends_have_signs_and_intervals(tables, settings):
    table = accuracy.comparisons_table(tables["comparisons"], settings)
    (row,) = read_rows(table)  # the speeds in the same table are not shown here
    assert (row["Pair"], row["Metric"], row["Difference"]) == ("jax − torch", "test accuracy", "+0.021")
    assert row["95\N{NARROW NO-BREAK SPACE}% interval"] == "+0.010 to +0.032"
    assert row["Verdict"] == "inconclusive"
    assert "smaller than 0.010" in read_caption(table)


@pytest.mark.parametrize(
    ("target", "phrase"), [(0.5, "which is the configured one"), (None, "the highest whole percentage that all runs")]
)
def test_the_caption_states_where_the_target_comes_from(target, phrase):
    settings = fake_results.make_config(report={"target_accuracy": target})
    tables = fake_results.make_tables(settings)
    table = accuracy.target_table(tables["runs"], tables["epochs"], settings)
    row = read_rows(table)[0]
    assert phrase in read_caption(table)
    assert row["Reached by"] == "2 of 2 runs"
    assert (row["Target"] == "0.500") == (target is not None)


def test_a_target_that_no_run_reached_has_no_time():
    settings = fake_results.make_config(report={"target_accuracy": 0.999})
    tables = fake_results.make_tables(settings)
    row = read_rows(accuracy.target_table(tables["runs"], tables["epochs"], settings))[0]
    assert (row["Reached by"], row["Epochs"], row["Seconds"], row["Range"]) == ("0 of 2 runs", "–", "–", "–")
