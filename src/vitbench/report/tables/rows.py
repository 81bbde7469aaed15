"""What the tables of the report share: the cells of a configuration, and columns that are equal in every row."""

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_number, format_share, join_words
from vitbench.report.html import Html, backend_label, render_table
from vitbench.results.schema import CONFIGURATION_KEYS as KEYS

_CONDENSED = ("Execution", "Precision", "Batch size")


def condensed_table(rows: list[dict], caption: str, name: str, numeric: Iterable[str] = ()) -> Html:
    """`render_table` without the execution, precision or batch size that all rows share; the caption states it once."""
    common = {
        label: rows[0][label]
        for label in _CONDENSED
        if len(rows) > 1 and label in rows[0] and len({row[label] for row in rows}) == 1
    }
    if common:
        caption += f" All rows: {join_words([f'{label.lower()} {value}' for label, value in common.items()])}."
    rows = [{label: value for label, value in row.items() if label not in common} for row in rows]
    return render_table(rows, caption, name, headers=2, numeric=numeric)


def group_configurations(frame: pd.DataFrame, config: Config) -> list[tuple[tuple, pd.DataFrame]]:
    """The rows of each configuration, in the order of the models and backends in the config."""
    groups = list(frame.groupby(KEYS, sort=False))
    return sorted(groups, key=lambda group: configuration_position(group[0][0], group[0][1], config))


def configuration_position(model: str, backend: str, config: Config) -> int:
    """The place of a model and backend in the config; those that are not in it come last."""
    pairs = config.model_backends()
    return pairs.index((model, backend)) if (model, backend) in pairs else len(pairs)


def row_cells(row) -> dict:
    """`configuration_cells` of a row of tables/runs, throughput or rounds, as `itertuples` yields it."""
    return configuration_cells([getattr(row, key) for key in KEYS], row.plan_measured)


def configuration_cells(keys: Sequence[str], plan_measured: bool | None = None) -> dict:
    """The first cells of a row about one configuration: model, backend, execution mode and precision.

    plan_measured: the column of that name.
    """
    model, backend, execution, precision = keys
    if not (pd.isna(plan_measured) or plan_measured):
        execution += " (not measured)"
    return {"Model": model, "Backend": backend_label(backend), "Execution": execution, "Precision": precision}


def format_milliseconds(seconds: float | None) -> str:
    return format_number(None if seconds is None else 1000 * seconds)


def format_bounds(low: float, high: float, write: Callable[[float], str] = format_number) -> str:
    """An interval, "low to high"; a dash if it is not known."""
    return MISSING if pd.isna(low) or pd.isna(high) else f"{write(low)} to {write(high)}"


def format_signed(value: float, metric: str) -> str:
    """A difference with its sign. Differences of accuracies have three decimals."""
    written = format_share(abs(value)) if "accuracy" in metric else format_number(abs(value))
    return MISSING if pd.isna(value) else f"{'−' if value < 0 else '+'}{written}"
