"""Tables of speeds, startup times, memory and tuning leave out what was not measured."""

import pytest

from helpers import fake_results
from helpers.html_tables import read_caption, read_rows
from vitbench.report.tables import speed


@pytest.fixture(scope="module")
def settings():
    return fake_results.make_config(executions={"throughput": ["published", "tuned", "native"]})


@pytest.fixture(scope="module")
def tables(settings):
    return fake_results.make_tables(settings)


def test_ratios_of_speeds_have_intervals_and_verdicts(tables, settings):
    table = speed.speeds_table(tables["comparisons"], settings)
    row = read_rows(table)[0]
    assert (row["Pair"], row["Phase"], row["Rounds"]) == ("jax ÷ torch", "training", "5")
    assert (row["Ratio"], row["Verdict"]) == ("1.60", "different")
    assert " to " in row["95\N{NARROW NO-BREAK SPACE}% interval"]
    assert "less than 5\N{NARROW NO-BREAK SPACE}%" in read_caption(table)


def test_speeds_are_relative_to_those_of_the_native_model(tables):
    table = speed.throughput_table(tables["throughput"])
    shares = {(r["Backend"], r["Execution"]): r["Share of native"] for r in read_rows(table) if r["Model"] == "vit"}
    assert shares["jax", "published"].startswith("60")
    assert shares["jax", "tuned"].startswith("100")
    assert shares["jax", "native"] == "–"
    throughput = tables["throughput"]
    without = throughput[(throughput["backend"] != "tensorflow") | (throughput["execution"] != "native")]
    rows = read_rows(speed.throughput_table(without))
    assert {r["Share of native"] for r in rows if (r["Model"], r["Backend"]) == ("vit", "tensorflow")} == {"–"}
    row = read_rows(table)[0]
    assert (row["Images/s"], row["Median step, ms"], row["95th percentile, ms"]) == ("740", "86.4", "95.1")


def test_the_spread_between_processes_stands_beside_the_one_within_a_process(tables):
    throughput = tables["throughput"].assign(round_spread=[0.031, *[None] * (len(tables["throughput"]) - 1)])
    spreads = [row["Spread, %"] for row in read_rows(speed.throughput_table(throughput))]
    assert spreads[0] == "3 / 2" and set(spreads[1:]) == {"– / 2"}


def test_columns_without_a_single_value_are_left_out(tables):
    throughput = tables["throughput"].assign(mfu=None, flops_per_image=None)
    throughput = throughput[throughput["execution"] != "native"]
    table = speed.throughput_table(throughput)
    assert {"Share of native", "Share of peak", "FLOP per image", "Parity"}.isdisjoint(read_rows(table)[0])
    assert "native" not in read_caption(table) and "peak" not in read_caption(table)


def test_a_measurement_that_failed_parity_is_marked(tables):
    errors = ["parity failed", *[None] * (len(tables["throughput"]) - 1)]
    throughput = tables["throughput"].assign(error=errors)
    states = [row["Parity"] for row in read_rows(speed.throughput_table(throughput))]
    assert states[0] == "failed" and set(states[1:]) == {"passed"}


def test_only_keras_training_steps_are_divided_into_shares(tables):
    rows = read_rows(speed.shares_table(tables["throughput"]))
    assert {row["Execution"] for row in rows} == {"published", "tuned"}
    assert rows[0]["Waiting for input"] == rows[0]["Keras loop"] == rows[0]["Step"]
    assert rows[0]["Step"] == "33.3\N{NARROW NO-BREAK SPACE}%"


def test_a_longer_startup_pays_off_after_some_epochs_or_never(tables, settings):
    throughput = tables["throughput"].copy()
    slow = (throughput["backend"] == "jax") & (throughput["execution"] == "tuned")
    throughput.loc[slow, "first_step_seconds"] += 10.0
    idle = (throughput["backend"] == "torch") & (throughput["execution"] == "published")
    throughput.loc[idle, "first_step_seconds"] += 10.0
    table = speed.startup_table(throughput, 1293, [])
    rows = {(r["Backend"], r["Execution"]): r for r in read_rows(table) if r["Model"] == "vit"}
    assert rows["jax", "tuned"]["Pays off after"].endswith(" epochs")
    assert rows["torch", "published"]["Pays off after"] == "never"
    assert rows["jax", "published"]["Pays off after"] == "at once"
    assert (rows["jax", "tuned"]["Import, s"], rows["jax", "tuned"]["First step, s"]) == ("2", "14.2")
    assert ("jax", "native") not in rows


def test_without_the_number_of_images_nothing_is_said_about_epochs(tables, settings):
    row = read_rows(speed.startup_table(tables["throughput"], None, []))[0]
    assert row["Epoch, s"] == "–"


def test_startup_times_that_a_cache_of_the_user_shortened_are_marked(tables):
    table = speed.startup_table(tables["throughput"], None, ["JAX_COMPILATION_CACHE_DIR", "TRITON_CACHE_DIR"])
    assert "not cold: JAX_COMPILATION_CACHE_DIR and TRITON_CACHE_DIR kept" in read_caption(table)
    assert "cold" not in read_caption(speed.startup_table(tables["throughput"], None, []))


def test_memory_and_energy_are_shown_where_they_were_read(tables):
    row = read_rows(speed.memory_table(tables["throughput"]))[0]
    assert row["Host, GiB"] == "1.21"
    assert {"Device, GiB", "Energy source"}.isdisjoint(row)
    measured = tables["throughput"].assign(energy_joules_per_image=0.5, energy_source="nvml")
    row = read_rows(speed.memory_table(measured))[0]
    assert (row["Energy per image, J"], row["Energy source"]) == ("0.500", "nvml")


def test_a_tuned_row_says_if_its_plan_was_not_measured(settings):
    throughput = fake_results.make_tables(settings)["throughput"]
    is_unmeasured = (throughput["backend"] == "torch") & (throughput["execution"] == "tuned")
    throughput["plan_measured"] = throughput["plan_measured"].mask(is_unmeasured, False)
    rows = read_rows(speed.throughput_table(throughput))
    labels = {(row["Backend"], row["Execution"]) for row in rows if row["Execution"].startswith("tuned")}
    assert labels >= {("torch", "tuned (not measured)"), ("jax", "tuned")} and ("torch", "tuned") not in labels


def test_the_chosen_plan_is_marked_and_others_state_their_outcome(settings):
    plan = {"jit_compile": False, "augmentation": "layers", "steps_per_execution": 1}
    faster = plan | {"jit_compile": True, "steps_per_execution": 8}
    candidates = [
        {"plan": plan, "status": "measured", "startup_seconds": 1.2, "step_seconds": 0.021, "predicted_seconds": 8.1},
        {"plan": faster, "status": "abandoned", "error": "too slow"},
    ]
    common = {"precision": "float32", "candidates": candidates, "plan": plan, "reason": "least predicted time"}
    tuning = [common | {"model": "vit", "backend": backend} for backend in ("torch", "jax")]
    rows = read_rows(speed.tuning_table(tuning, settings))
    assert [row["Backend"] for row in rows] == ["jax", "jax", "torch", "torch"]
    chosen, abandoned = ({k: v.replace("\N{NO-BREAK SPACE}", " ") for k, v in row.items()} for row in rows[:2])
    assert (chosen["Plan"], chosen["Outcome"]) == ("jit_compile = False", "chosen")
    assert (chosen["Step, ms"], chosen["Reason"]) == ("21", "least predicted time")
    assert abandoned["Plan"] == "jit_compile = True, steps_per_execution = 8"
    assert (abandoned["Outcome"], abandoned["Startup, s"], abandoned["Reason"]) == ("abandoned", "–", "too slow")


def test_an_experiment_without_measurements_has_empty_tables(settings):
    tables = fake_results.make_tables(settings, missing=["jax", "torch", "tensorflow"])
    for table in (
        speed.speeds_table(tables["comparisons"], settings),
        speed.throughput_table(tables["throughput"]),
        speed.shares_table(tables["throughput"]),
        speed.startup_table(tables["throughput"], None, []),
        speed.memory_table(tables["throughput"]),
        speed.tuning_table([], settings),
    ):
        assert table.endswith("There is nothing to show.</p>")
