"""The tables as data frames with the columns and dtypes of the schema, and as CSV and Parquet files."""

from collections.abc import Iterable

import pandas as pd

from vitbench.results.paths import Results
from vitbench.results.schema import COLUMNS, TABLES
from vitbench.system.files import atomic_write

# The nullable dtypes keep integers and truth values as they are if a column holds null.
_WRITTEN_DTYPES = {"text": "str", "time": "str", "integer": "Int64", "float": "float64", "boolean": "boolean"}


def as_table(name: str, rows: Iterable[dict]) -> pd.DataFrame:
    """Table `name` from its rows. A missing value is null; keys that are not columns are dropped."""
    return cast_table(name, pd.DataFrame(list(rows), columns=COLUMNS[name]))


def cast_table(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with exactly the columns of table `name`, in their order and with their dtypes.

    Integers become Int64 and truth values boolean, which can hold null. Raises TypeError or ValueError if a value does
    not fit its column.
    """
    frame = frame.reindex(columns=COLUMNS[name])
    return frame.astype({column.name: _WRITTEN_DTYPES[column.dtype] for column in TABLES[name]})


def write_table(results: Results, name: str, frame: pd.DataFrame) -> None:
    """Writes table `name` as CSV and as Parquet."""
    with atomic_write(results.tables / f"{name}.csv") as path:
        frame.to_csv(path, index=False)
    with atomic_write(results.tables / f"{name}.parquet") as path:
        frame.to_parquet(path, index=False)


def load_table(results: Results, name: str) -> pd.DataFrame:
    """Table `name` with all columns of its schema, empty if the file is missing; further columns come last.

    For calculations: numbers are float64 with NaN for null, and truth values are True, False or None. The dtypes do not
    depend on the file, so tables of other versions of vitbench can be read.
    """
    path = results.tables / f"{name}.parquet"
    frame = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    frame = frame.reindex(columns=[*COLUMNS[name], *(column for column in frame if column not in COLUMNS[name])])
    for column in TABLES[name]:
        values = frame[column.name]
        if column.dtype in ("integer", "float"):
            frame[column.name] = pd.to_numeric(values, errors="coerce").astype(float)
        else:
            values = values.astype(object)
            frame[column.name] = values.where(values.notna(), None)
    return frame
