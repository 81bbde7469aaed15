"""The columns of the tables, which are a public interface."""

import subprocess
import sys

import pytest

from vitbench.results.schema import (
    COLUMNS,
    CONFIGURATION_KEYS,
    EPOCH_COLUMNS,
    KEY_COLUMNS,
    MACHINE_COLUMNS,
    MEASUREMENT_COLUMNS,
    TABLES,
)


@pytest.mark.parametrize("table", TABLES)
def test_names_are_unique_and_every_column_is_described(table):
    assert len(set(COLUMNS[table])) == len(COLUMNS[table])
    assert [column.name for column in TABLES[table] if not column.description.endswith(".")] == []


def test_columns_are_in_the_published_order():
    assert ["schema_version", "experiment", "dataset", *CONFIGURATION_KEYS] == KEY_COLUMNS
    assert CONFIGURATION_KEYS == ["model", "backend", "execution", "precision"]
    assert COLUMNS["runs"][:9] == [*KEY_COLUMNS, "seed", "status"]
    assert COLUMNS["epochs"] == [*KEY_COLUMNS, "seed", *EPOCH_COLUMNS, "parity_passed"]
    over_rounds = ["rounds", "images_per_second_ci_low", "images_per_second_ci_high", "round_spread", "block_spread"]
    over_rounds += ["disturbed_rounds"]
    throughput = [*KEY_COLUMNS, "status", *MEASUREMENT_COLUMNS, *over_rounds, "device", "config_sha256", "error"]
    throughput += ["plan_measured"]
    assert COLUMNS["throughput"] == throughput
    rounds = [*KEY_COLUMNS, "round", "control", "status", *MEASUREMENT_COLUMNS, *MACHINE_COLUMNS, "block_spread"]
    assert COLUMNS["rounds"][: len(rounds)] == rounds


@pytest.mark.parametrize("ending", ["_seconds", "_bytes", "_per_second", "accuracy", "_share"])
def test_a_name_that_implies_a_unit_has_it(ending):
    units = {
        "_seconds": {"s"},
        "_bytes": {"bytes"},
        "_per_second": {"images/s", "FLOP/s", "1/s"},
        "accuracy": {"0–1"},
        "_share": {"0–1"},
    }
    columns = [column for table in TABLES.values() for column in table if column.name.endswith(ending)]
    assert columns and {column.unit for column in columns} <= units[ending]


def test_training_needs_no_pandas():
    code = "import sys, vitbench.results.writers, vitbench.results.jobs; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
