"""Tables of the parity comparisons, of the execution audit and of the environment."""

import pandas as pd
from markupsafe import Markup

from vitbench.analysis.load import LoadedResults, RecordedEnvironment, flatten
from vitbench.backends.registry import backend_position
from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_count, format_number
from vitbench.parity.tolerance import ROUNDING_MULTIPLE, find_worst
from vitbench.report.html import Html, backend_label, badge, render_table

_PART_NAMES = {"state": "variable"}  # the other quantities are compared weight by weight
_REFERENCES = {"numpy": "NumPy,\N{NO-BREAK SPACE}float64"}

Properties = dict[str, dict[str, tuple[str, ...]]]  # nested: each property has a tuple of distinct values


def parity_table(parity: pd.DataFrame, config: Config) -> Html:
    """The worst comparison of each quantity; execution modes with equal values share a row.

    The downloadable table has every weight.
    """
    executions_by_row: dict[tuple, list[str]] = {}
    keys = ["model", "backend", "execution", "precision", "reference_backend", "quantity"]
    several_precisions = parity["precision"].nunique() > 1
    for (model, backend, execution, precision, reference, quantity), group in parity.groupby(
        keys, sort=False, dropna=False
    ):
        worst = find_worst(group.to_dict("records"))
        parts = group["weight"].notna().sum()
        row = {
            "Model": model,
            "Backend": backend_label(backend),
            "Reference": _REFERENCES.get(reference, reference),
            "Quantity": _quantity(quantity, parts),
            "Largest difference": format_number(worst["max_abs_difference"]),
            "Relative": format_number(worst["max_rel_difference"]),
            "Smallest cosine": format_number(group["cosine"].min()) if parts else MISSING,
            "Tolerance": format_number(worst["tolerance"]),
            "Result": badge("passed" if group["passed"].fillna(False).astype(bool).all() else "failed"),
        }
        label = f"{execution} for {precision}" if several_precisions else str(execution)
        executions_by_row.setdefault(tuple(row.items()), []).append(label)
    rows = []
    for (model, backend, *others), executions in executions_by_row.items():
        rows.append(dict([model, backend, ("Execution", ", ".join(executions)), *others]))
    numbers = ("Largest difference", "Relative", "Smallest cosine", "Tolerance")
    return render_table(rows, _parity_caption(parity, config), "parity", headers=2, numeric=numbers)


def _quantity(quantity: str, parts: int) -> str:
    return f"{quantity} of {format_count(parts, _PART_NAMES.get(quantity, 'weight'))}" if parts else quantity


def _parity_caption(parity: pd.DataFrame, config: Config) -> str:
    caption = (
        "Largest differences from the reference: absolute, and relative to the largest magnitude of the reference. The "
        "relative difference must not exceed the tolerance. A gradient's row is that of the weight that comes closest "
        "to its tolerance."
    )
    for model in parity["model"].unique():
        reference = config.reference_backend(model)
        if reference not in set(parity.loc[parity["model"] == model, "backend"]):
            caption += f" {reference} is the reference for {model}."
    strict = config.parity.tolerances.gradient
    if (parity.loc[parity["quantity"] == "gradient", "tolerance"] > strict).any():
        caption += (
            f" The tolerance of a gradient is {format_number(strict)} or, if that is larger, {ROUNDING_MULTIPLE} times "
            "the change that rounding the reference's weights causes: at the kinks of ReLU, rounding switches parts of "
            "a gradient on or off."
        )
    return caption


def execution_audit_tables(loaded: LoadedResults) -> Html:
    """For each model, the recorded properties that differ between its configurations."""
    tables = []
    for model in loaded.config.models.parameters():
        columns = _properties_by_configuration([job for job in loaded.environments if job.model == model])
        rows = [
            {"Property": name, **{label: Markup("<br>").join(values) for label, values in row.items()}}
            for name, row in _configurations_by_property(columns).items()
            if len(set(row.values())) > 1
        ]
        caption = f"Properties that differ between the configurations of {model}"
        caption += "." if len(columns) > 1 else ": there is only one configuration."
        tables.append(render_table(rows, caption, f"differing-{len(tables)}"))
    return Html("".join(tables))


def environment_table(loaded: LoadedResults) -> Html:
    """The recorded properties that all jobs share."""
    rows = [
        {"Property": name, "Value": Markup("<br>").join(next(iter(row.values())))}
        for name, row in _configurations_by_property(_properties_by_configuration(loaded.environments)).items()
        if len(set(row.values())) == 1
    ]
    return render_table(rows, "Properties that all jobs share.", "shared")


def _properties_by_configuration(jobs: list[RecordedEnvironment]) -> Properties:
    """Configuration → dotted name of a property → its values, several if the jobs of the configuration differ."""
    values: dict[str, dict[str, list[str]]] = {}
    several_models = len({job.model for job in jobs}) > 1
    several_precisions = len({job.precision for job in jobs}) > 1
    for job in sorted(jobs, key=lambda job: (backend_position(job.backend), job.execution)):
        words = [job.backend, job.execution]
        if several_models:
            words.insert(0, job.model)
        if several_precisions:
            words.append(job.precision)
        column = values.setdefault(" · ".join(words), {})
        for name, value in flatten(job.values):
            column.setdefault(name, []).append("none" if value is None else str(value))
    return {label: {n: tuple(dict.fromkeys(v)) for n, v in column.items()} for label, column in values.items()}


def _configurations_by_property(columns: Properties) -> Properties:
    """The transpose of `columns`: property → configuration → values, a dash where a job did not record it."""
    names = dict.fromkeys(name for column in columns.values() for name in column)
    return {name: {label: column.get(name, (MISSING,)) for label, column in columns.items()} for name in names}
