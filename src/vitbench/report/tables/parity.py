"""Tables of the parity comparisons and of the execution audit."""

import pandas as pd
from markupsafe import Markup

from vitbench.analysis.load import LoadedResults, RecordedEnvironment, flatten
from vitbench.backends.registry import backend_position
from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_count, format_number
from vitbench.parity.tolerance import find_worst
from vitbench.report.html import Html, backend_label, badge, render_table

_OF = {"state": "variable"}
_REFERENCES = {"numpy": "NumPy,\N{NO-BREAK SPACE}float64"}


def parity_table(parity: pd.DataFrame, config: Config) -> Html:
    """The worst comparison of each quantity; execution modes with equal values share a row.

    The downloadable table has every weight.
    """
    found: dict[tuple, list[str]] = {}
    by = ["model", "backend", "execution", "precision", "reference_backend", "quantity"]
    several_precisions = parity["precision"].nunique() > 1
    for keys, group in parity.groupby(by, sort=False, dropna=False):
        model, backend_, execution, precision, reference, quantity = keys
        worst = find_worst(group.to_dict("records"))
        several = group["weight"].notna().sum()
        row = {
            "Model": model,
            "Backend": backend_label(backend_),
            "Compared with": _REFERENCES.get(reference, reference),
            "Quantity": f"{quantity} of {format_count(several, _OF.get(quantity, 'weight'))}" if several else quantity,
            "Largest difference": format_number(worst["max_abs_difference"]),
            "Relative": format_number(worst["max_rel_difference"]),
            "Least cosine": format_number(group["cosine"].min()) if several else MISSING,
            "Tolerance": format_number(worst["tolerance"]),
            "Result": badge("passed" if group["passed"].fillna(False).astype(bool).all() else "failed"),
        }
        plan = f"{execution} for {precision}" if several_precisions else str(execution)
        found.setdefault(tuple(row.items()), []).append(plan)
    rows = []
    for items, executions in found.items():
        model, backend_, *others = items
        rows.append(dict([model, backend_, ("Execution", ", ".join(executions)), *others]))
    caption = (
        "Largest differences from the reference: absolute, and relative to the reference's largest magnitude, which is "
        "compared with the tolerance. For gradients, of the weight that comes closest to the tolerance."
    )
    for model in parity["model"].unique():
        alone = config.reference_backend(model)
        if alone not in set(parity.loc[parity["model"] == model, "backend"]):
            caption += f" {alone} is the reference for {model}."
    strict = config.parity.tolerances.gradient
    if (parity.loc[parity["quantity"] == "gradient", "tolerance"] > strict).any():
        caption += (
            f" The tolerance of a gradient is {format_number(strict)}, or four times the change that rounding of the "
            "reference's weights causes, if that is larger: at the kinks of ReLU, rounding switches parts of a "
            "gradient on or off."
        )
    numbers = ("Largest difference", "Relative", "Least cosine", "Tolerance")
    return render_table(rows, caption, "parity", headers=2, numeric=numbers)


def execution_audit_tables(evidence: LoadedResults) -> Html:
    """For each model, the recorded properties that differ between its configurations."""
    made = []
    for name in evidence.config.models.parameters():
        columns = _recorded([job for job in evidence.environments if job.model == name])
        rows = [
            {"Property": key, **{label: Markup("<br>").join(values) for label, values in row.items()}}
            for key, row in _by_property(columns).items()
            if len(set(row.values())) > 1
        ]
        about = f"Properties that differ between the configurations of {name}"
        caption = f"{about}." if len(columns) > 1 else f"{about}: there is only one configuration."
        made.append(render_table(rows, caption, f"differing-{len(made)}"))
    return Html("".join(made))


def environment_table(evidence: LoadedResults) -> Html:
    """The properties that all jobs share."""
    rows = [
        {"Property": key, "Value": Markup("<br>").join(next(iter(row.values())))}
        for key, row in _by_property(_recorded(evidence.environments)).items()
        if len(set(row.values())) == 1
    ]
    return render_table(rows, "Properties that all jobs share.", "shared")


def _recorded(jobs: list[RecordedEnvironment]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Configuration → dotted name of a property → its values, several if the jobs of the configuration differ."""
    found: dict[str, dict[str, list[str]]] = {}
    precisions, models = len({job.precision for job in jobs}), len({job.model for job in jobs})
    for job in sorted(jobs, key=lambda job: (backend_position(job.backend), job.execution)):
        words = [job.model] * (models > 1) + [job.backend, job.execution] + [job.precision] * (precisions > 1)
        column = found.setdefault(" · ".join(words), {})
        for name, value in flatten(job.values):
            column.setdefault(name, []).append("none" if value is None else str(value))
    return {label: {n: tuple(dict.fromkeys(v)) for n, v in column.items()} for label, column in found.items()}


def _by_property(columns: dict[str, dict[str, tuple[str, ...]]]) -> dict[str, dict[str, tuple[str, ...]]]:
    names = dict.fromkeys(name for column in columns.values() for name in column)
    return {name: {label: column.get(name, (MISSING,)) for label, column in columns.items()} for name in names}
