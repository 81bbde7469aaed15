"""What the tables of the report share: the cells of a configuration, and columns that are equal in every row."""

from collections.abc import Iterable

import pandas as pd

from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_number, format_share, join_words
from vitbench.report.html import Html, backend_label, render_table
from vitbench.results.schema import CONFIGURATION_KEYS as KEYS

_CONDENSED = ("Execution", "Precision", "Batch size")


def condensed_table(rows: list[dict], caption: str, name: str, numeric: Iterable[str] = ()) -> Html:
    """A table without the columns that are equal in every row; the caption states their value once."""
    shared = [key for key in _CONDENSED if len(rows) > 1 and len({row.get(key) for row in rows}) == 1]
    common = {key: rows[0][key] for key in shared if key in rows[0]}
    if common:
        caption += f" All rows: {join_words([f'{key.lower()} {value}' for key, value in common.items()])}."
    rows = [{key: value for key, value in row.items() if key not in common} for row in rows]
    return render_table(rows, caption, name, headers=2, numeric=numeric)


def group_configurations(runs: pd.DataFrame, config: Config) -> list[tuple[tuple, pd.DataFrame]]:
    """The runs by contestant in the config's order."""
    groups = list(runs.groupby(KEYS, sort=False))
    return sorted(groups, key=lambda item: configuration_position(item[0][0], item[0][1], config))


def configuration_position(model: str, backend_: str, config: Config) -> int:
    pairs = config.model_backends()
    return pairs.index((model, backend_)) if (model, backend_) in pairs else len(pairs)


def configuration_cells(keys) -> dict:
    model, backend_, execution, precision = keys
    return {"Model": model, "Backend": backend_label(backend_), "Execution": execution, "Precision": precision}


def format_milliseconds(seconds: float | None) -> str:
    return format_number(None if seconds is None else 1000 * seconds)


def format_signed(value: float, metric: str) -> str:
    """A difference with its sign: of accuracies to three decimals."""
    written = format_share(abs(value)) if "accuracy" in metric else format_number(abs(value))
    return MISSING if pd.isna(value) else f"{'−' if value < 0 else '+'}{written}"
