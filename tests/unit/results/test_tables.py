import pandas as pd
import pytest

from vitbench.results.paths import Results
from vitbench.results.schema import COLUMNS
from vitbench.results.tables import as_table, cast_table, load_table, write_table

ROWS = [
    {"model": "vit", "backend": "jax", "quantity": "loss", "tolerance": 1, "passed": True},
    {"model": "vit", "backend": "torch", "quantity": "loss", "tolerance": 1e-5, "passed": None},
]


def test_a_table_has_the_columns_and_dtypes_of_the_schema():
    table = as_table("parity", [row | {"not a column": 1} for row in ROWS])
    assert list(table.columns) == COLUMNS["parity"]
    assert (table["tolerance"].dtype, table["passed"].dtype) == ("float64", "boolean")
    assert table["weight"].isna().all() and table["passed"].tolist() == [True, pd.NA]


def test_integers_stay_integers_beside_null(tmp_path):
    write_table(Results(tmp_path), "jobs", as_table("jobs", [{"step": "data"}, {"step": "init", "seed": 3}]))
    assert pd.read_csv(tmp_path / "tables" / "jobs.csv", dtype=str)["seed"].tolist()[1] == "3"
    assert pd.read_parquet(tmp_path / "tables" / "jobs.parquet")["seed"].tolist() == [pd.NA, 3]


def test_an_empty_table_has_the_same_dtypes():
    for name in COLUMNS:
        empty, filled = as_table(name, []), as_table(name, [{}])
        assert empty.dtypes.to_dict() == filled.dtypes.to_dict()


def test_a_value_that_does_not_fit_its_column_is_an_error():
    with pytest.raises((TypeError, ValueError)):
        cast_table("jobs", pd.DataFrame({"seed": [0.5]}))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_missing_file_is_an_empty_table(tmp_path, name):
    table = load_table(Results(tmp_path), name)
    assert table.empty and list(table.columns) == COLUMNS[name]


def test_loaded_numbers_are_floats_and_null_text_is_none(tmp_path):
    write_table(Results(tmp_path), "parity", as_table("parity", ROWS))
    table = load_table(Results(tmp_path), "parity")
    assert table["tolerance"].tolist() == [1.0, 1e-5] and table["cosine"].isna().all()
    assert table["cosine"].dtype == float
    assert table["passed"].tolist() == [True, None] and table["weight"].tolist() == [None, None]


def test_columns_that_the_schema_does_not_know_come_last(tmp_path):
    frame = as_table("parity", ROWS)
    frame.insert(0, "remark", "mine")
    write_table(Results(tmp_path), "parity", frame.drop(columns="weight"))
    table = load_table(Results(tmp_path), "parity")
    assert list(table.columns) == [*COLUMNS["parity"], "remark"] and table["weight"].isna().all()
