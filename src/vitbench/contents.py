"""What each table of the report holds: columns chosen, seeds gathered into one row, values written for readers."""

from collections.abc import Iterable

import pandas as pd
from markupsafe import Markup

from vitbench import agreement, figures
from vitbench.config import Config
from vitbench.evidence import Evidence, Recorded
from vitbench.numerals import NONE, counted, gibibytes, listed, number, percent, share, spread
from vitbench.presentation import Html, backend, badge, shortened, table
from vitbench.statistics import METRICS

_SAID_ONCE = ("Execution", "Precision", "Batch size")
_OF = {"state": "variable"}
_REFERENCES = {"numpy": "NumPy, float64"}
_PHASES = {"train": "training", "infer": "inference"}
_KEYS = ["model", "backend", "execution", "precision"]


def results_table(runs: pd.DataFrame, parity: pd.DataFrame, summaries: pd.DataFrame, config: Config) -> Html:
    """Every contestant, completed or not: one row per model × backend × execution × precision, seeds gathered.

    What was trained although its parity failed is marked.
    """
    interval = f"{percent(config.statistics.confidence)} interval"
    accuracies = summaries[summaries["metric"] == "test_accuracy"].set_index(_KEYS)
    rows, unequal = [], {(row.model, row.backend) for row in parity.itertuples() if not row.passed}
    for keys, group in _contestants(runs, config):
        done = group[group["status"] == "completed"]
        counts = group["status"].value_counts()
        states = [badge(s) if n == len(group) else badge(s) + f" {n} of {len(group)}" for s, n in counts.items()]
        if keys[:2] in unequal:
            states.append(badge("parity failed"))
        rows.append(
            {
                **_named(keys),
                "Status": Markup(", ").join(states),
                "n": str(len(done)),
                "Test accuracy": spread(done["test_accuracy"]),
                interval: _interval(accuracies, keys),
                "Top-5 accuracy": spread(done["test_top5_accuracy"]),
                "Training images/s": number(done["train_images_per_second"].median()),
                "Epoch,\N{NO-BREAK SPACE}s": number(done["epoch_seconds_median"].median()),
                "Parameters": number(group["parameters"].max()),
            }
        )
    caption = (
        "The contestants. Accuracies are mean ± standard deviation over the n completed runs, one per seed, and the "
        "interval is that of the mean test accuracy; one seed has none. Training images/s and epoch are medians over "
        "whole epochs, data feeding included."
    )
    return _condensed(rows, caption, "results", numeric=list(rows[0])[5:] if rows else ())


def _interval(accuracies: pd.DataFrame, keys: tuple) -> str:
    if keys not in accuracies.index or pd.isna(accuracies.loc[keys, "ci_low"]):
        return NONE
    row = accuracies.loc[keys]
    return f"{share(max(0, row['ci_low']))} to {share(min(1, row['ci_high']))}"


def unfinished_table(runs: pd.DataFrame, throughput: pd.DataFrame) -> Html:
    """The runs and measurements that did not complete, with the reason; empty text if there are none."""
    named = ((runs, "run"), (throughput, "throughput"))
    lost = pd.concat([frame[frame["status"] != "completed"].assign(job=name) for frame, name in named])
    if lost.empty:
        return Html("")
    rows = [
        {
            **_named([getattr(row, key) for key in _KEYS]),
            "Job": row.job if pd.isna(row.seed) else f"{row.job}, seed {row.seed:.0f}",
            "Status": badge(row.status),
            "Reason": shortened(row.error if isinstance(row.error, str) else NONE),
        }
        for row in lost.itertuples()
    ]
    return table(rows, "Jobs that did not complete.", "unfinished", headers=2)


def comparisons_table(comparisons: pd.DataFrame, config: Config) -> Html:
    interval = f"{percent(config.statistics.confidence)} interval"

    def bounds(row) -> str:
        low, high = (_signed(value, row.metric) for value in (row.ci_low, row.ci_high))
        return NONE if pd.isna(row.ci_low) else f"{low} to {high}"

    rows = [
        {
            "Model": row.model,
            "Pair": f"{row.backend_a} − {row.backend_b}",
            "Execution": row.execution,
            "Precision": row.precision,
            "Metric": row.metric.replace("top5", "top-5").replace("_", " "),
            "n": number(row.n),
            "Difference": _signed(row.difference, row.metric),
            interval: bounds(row),
            "p different": number(row.p_value_adjusted),
            "p equivalent": number(row.p_equivalence_adjusted),
            "Verdict": row.verdict if isinstance(row.verdict, str) else NONE,
        }
        for row in comparisons[comparisons["metric"].isin(METRICS)].itertuples()
    ]
    margin = share(config.statistics.equivalence_margin)
    caption = (
        "Pairs of backends, paired by seed; n counts the seeds that both completed, and from one seed no verdict is "
        "drawn. Different: shown not to be zero. Equivalent: shown to be smaller than "
        f"{margin}. The p-values are of the paired t test and of the two one-sided tests, both after Holm's correction."
    )
    numbers = ("n", "Difference", interval, "p different", "p equivalent")
    return _condensed(rows, caption, "comparisons", numbers)


def speeds_table(comparisons: pd.DataFrame, config: Config) -> Html:
    """How much faster each backend is than each other, with the interval of the ratio."""
    interval = f"{percent(config.statistics.confidence)} interval"
    rows = [
        {
            "Model": row.model,
            "Pair": f"{row.backend_a} ÷ {row.backend_b}",
            "Execution": row.execution,
            "Precision": row.precision,
            "Phase": _PHASES[row.metric.split("_")[0]],
            "Batch size": number(row.batch_size),
            "Blocks": number(row.n),
            "Ratio": number(row.ratio),
            interval: NONE
            if pd.isna(row.ratio_ci_low)
            else f"{number(row.ratio_ci_low)} to {number(row.ratio_ci_high)}",
            "Verdict": row.verdict,
        }
        for row in comparisons[~comparisons["metric"].isin(METRICS)].itertuples()
    ]
    caption = (
        "Ratios of median speeds, with bootstrap intervals over timed blocks. The blocks of a measurement follow each "
        "other in one process: what another process or another day would change is not in the interval. Equivalent: "
        f"shown to differ by less than {percent(config.statistics.speed_margin)}."
    )
    return _condensed(rows, caption, "speeds", ("Batch size", "Blocks", "Ratio", interval))


def throughput_table(throughput: pd.DataFrame) -> Html:
    """Every completed measurement; columns of which nothing is known are left out."""
    done = throughput[throughput["status"] == "completed"]
    columns = {
        "Batch size": ("batch_size", number),
        "Images/s": ("images_per_second", number),
        "Step median,\N{NO-BREAK SPACE}ms": ("step_seconds_p50", _milliseconds),
        "Step 95\N{NO-BREAK SPACE}%,\N{NO-BREAK SPACE}ms": ("step_seconds_p95", _milliseconds),
        "FLOP per image": ("flops_per_image", number),
        "FLOP/s": ("achieved_flops_per_second", number),
        "Share of peak": ("mfu", percent),
        "Share waiting for input": ("input_seconds_share", percent),
    }
    unequal = done["error"].notna().any()  # measured in spite of it
    known = {label: (column, write) for label, (column, write) in columns.items() if done[column].notna().any()}
    rows = [
        {
            **_named([getattr(row, key) for key in _KEYS]),
            "Phase": _PHASES.get(row.phase, row.phase),
            **({"Parity": badge("failed") if isinstance(row.error, str) else "passed"} if unequal else {}),
            **{label: write(getattr(row, column)) for label, (column, write) in known.items()},
        }
        for row in done.itertuples()
    ]
    caption = "Steady-state steps, the device synchronised at the end of each block."
    return _condensed(rows, caption, "throughput", numeric=list(known))


def cold_table(runs: pd.DataFrame, config: Config) -> Html:
    rows = []
    for keys, group in _contestants(runs, config):
        done = group[group["status"] == "completed"]
        middle = done[["import_seconds", "first_step_seconds", "epoch_seconds_median", "total_seconds"]].median()
        if done.empty:
            continue
        rows.append(
            {
                **_named(keys),
                "Import,\N{NO-BREAK SPACE}s": number(middle["import_seconds"]),
                "First step,\N{NO-BREAK SPACE}s": number(middle["first_step_seconds"]),
                "Epoch after that,\N{NO-BREAK SPACE}s": number(middle["epoch_seconds_median"]),
                "Whole run,\N{NO-BREAK SPACE}s": number(middle["total_seconds"]),
                "Peak host memory,\N{NO-BREAK SPACE}GiB": gibibytes(done["peak_host_memory_bytes"].max()),
                "Peak device memory,\N{NO-BREAK SPACE}GiB": gibibytes(done["peak_device_memory_bytes"].max()),
            }
        )
    caption = "What a run costs before and beside its steady state: medians over seeds, and the largest peak of memory."
    return table(rows, caption, "cold", headers=2, numeric=list(rows[0])[4:] if rows else ())


def tuning_table(tuning: list[dict], config: Config) -> Html:
    """Every candidate of the step tune; the plan that was kept is marked."""
    rows = []
    for found in sorted(tuning, key=lambda found: _position(found["model"], found["backend"], config)):
        for candidate in found.get("candidates", []):
            plan = candidate.get("plan") or {}
            chosen = plan == found.get("plan")
            rows.append(
                {
                    "Model": found["model"],
                    "Backend": backend(found["backend"]),
                    "Precision": found["precision"],
                    "Plan": ", ".join(
                        f"{key}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{value}" for key, value in plan.items()
                    ),
                    "Cold,\N{NO-BREAK SPACE}s": number(candidate.get("cold_seconds")),
                    "Step,\N{NO-BREAK SPACE}ms": _milliseconds(candidate.get("step_seconds")),
                    "Predicted training,\N{NO-BREAK SPACE}s": number(candidate.get("predicted_seconds")),
                    "Outcome": badge("chosen" if chosen else candidate.get("status")),
                    "Remark": shortened((found.get("reason") if chosen else candidate.get("error")) or ""),
                }
            )
    numbers = ("Cold,\N{NO-BREAK SPACE}s", "Step,\N{NO-BREAK SPACE}ms", "Predicted training,\N{NO-BREAK SPACE}s")
    return table(rows, "Ways to execute the same training, timed.", "tuning", headers=2, numeric=numbers)


def parity_table(parity: pd.DataFrame, config: Config) -> Html:
    """The worst comparison of each quantity, executions in which it was the same in one row.

    The table to download has every weight's.
    """
    found: dict[tuple, list[str]] = {}
    by = ["model", "backend", "execution", "precision", "reference_backend", "quantity"]
    several_precisions = parity["precision"].nunique() > 1
    for keys, group in parity.groupby(by, sort=False, dropna=False):
        model, backend_, execution, precision, reference, quantity = keys
        worst = agreement.worst(group.to_dict("records"))
        several = group["weight"].notna().sum()
        row = {
            "Model": model,
            "Backend": backend(backend_),
            "Compared with": _REFERENCES.get(reference, reference),
            "Quantity": f"{quantity} of {counted(several, _OF.get(quantity, 'weight'))}" if several else quantity,
            "Largest difference": number(worst["max_abs_difference"]),
            "Relative": number(worst["max_rel_difference"]),
            "Least cosine": number(group["cosine"].min()) if several else NONE,
            "Tolerance": number(worst["tolerance"]),
            "Result": badge("passed" if group["passed"].fillna(False).astype(bool).all() else "failed"),
        }
        plan = f"{execution} for {precision}" if several_precisions else str(execution)
        found.setdefault(tuple(row.items()), []).append(plan)
    rows = []
    for items, executions in found.items():
        model, backend_, *others = items
        rows.append(dict([model, backend_, ("Execution", ", ".join(executions)), *others]))
    caption = (
        "Largest differences from the reference: absolute, and relative to the reference's largest magnitude, which "
        "decides. Of gradients, those of the weight that comes closest to the tolerance."
    )
    for model in parity["model"].unique():
        alone = config.reference_of(model)
        if alone not in set(parity.loc[parity["model"] == model, "backend"]):
            caption += f" Of {model}, {alone} is what the others are compared with."
    strict = config.parity.tolerances.gradient
    if (parity.loc[parity["quantity"] == "gradient", "tolerance"] > strict).any():
        caption += (
            f" The tolerance of a gradient is {number(strict)}, or four times what rounding the reference's weights "
            "changes it by, if that is more: at the kinks of ReLU rounding switches parts of a gradient on or off."
        )
    numbers = ("Largest difference", "Relative", "Least cosine", "Tolerance")
    return table(rows, caption, "parity", headers=2, numeric=numbers)


def what_ran_tables(evidence: Evidence) -> Html:
    """For each model, every recorded property that differs between its contestants, by contestant."""
    made = []
    for name in evidence.config.models.parameters():
        columns = _recorded([job for job in evidence.environments if job.model == name])
        rows = [
            {"Property": key, **{label: Markup("<br>").join(values) for label, values in row.items()}}
            for key, row in _by_property(columns).items()
            if len(set(row.values())) > 1
        ]
        about = f"What differs between the jobs of {name}"
        caption = f"{about}." if len(columns) > 1 else f"{about}: there is only one contestant."
        made.append(table(rows, caption, f"differing-{len(made)}"))
    return Html("".join(made))


def environment_table(evidence: Evidence) -> Html:
    """Hardware and software that every job shares."""
    rows = [
        {"Property": key, "Value": Markup("<br>").join(next(iter(row.values())))}
        for key, row in _by_property(_recorded(evidence.environments)).items()
        if len(set(row.values())) == 1
    ]
    return table(rows, "What all jobs share.", "shared")


def _recorded(jobs: list[Recorded]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Contestant → dotted name of a property → its values, several where the contestant's jobs differ."""
    found: dict[str, dict[str, list[str]]] = {}
    precisions, models = len({job.precision for job in jobs}), len({job.model for job in jobs})
    for job in sorted(jobs, key=lambda job: (figures.order(job.backend), job.execution)):
        words = [job.model] * (models > 1) + [job.backend, job.execution] + [job.precision] * (precisions > 1)
        column = found.setdefault(" · ".join(words), {})
        for name, value in _flat(job.values):
            column.setdefault(name, []).append("none" if value is None else str(value))
    return {label: {n: tuple(dict.fromkeys(v)) for n, v in column.items()} for label, column in found.items()}


def _by_property(columns: dict[str, dict[str, tuple[str, ...]]]) -> dict[str, dict[str, tuple[str, ...]]]:
    names = dict.fromkeys(name for column in columns.values() for name in column)
    return {name: {label: column.get(name, (NONE,)) for label, column in columns.items()} for name in names}


def _flat(value: object, name: str = "") -> list[tuple[str, object]]:
    """Dotted names of what nested dicts and lists hold; an empty one is a value, too."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for key, inner in items for pair in _flat(inner, f"{name}.{key}" if name else str(key))]
    return [(name, "none" if value in ([], {}) else value)]


def _condensed(rows: list[dict], caption: str, name: str, numeric: Iterable[str] = ()) -> Html:
    """A table without the columns that say the same in every row; the caption says it once instead."""
    shared = [key for key in _SAID_ONCE if len(rows) > 1 and len({row.get(key) for row in rows}) == 1]
    common = {key: rows[0][key] for key in shared if key in rows[0]}
    if common:
        caption += f" All rows: {listed([f'{key.lower()} {value}' for key, value in common.items()])}."
    rows = [{key: value for key, value in row.items() if key not in common} for row in rows]
    return table(rows, caption, name, headers=2, numeric=numeric)


def _contestants(runs: pd.DataFrame, config: Config) -> list[tuple[tuple, pd.DataFrame]]:
    """The runs by contestant in the config's order."""
    groups = list(runs.groupby(_KEYS, sort=False))
    return sorted(groups, key=lambda item: _position(*item[0][:2], config))


def _position(model: str, backend_: str, config: Config) -> int:
    pairs = config.contestants()
    return pairs.index((model, backend_)) if (model, backend_) in pairs else len(pairs)


def _named(keys) -> dict:
    model, backend_, execution, precision = keys
    return {"Model": model, "Backend": backend(backend_), "Execution": execution, "Precision": precision}


def _milliseconds(seconds: float | None) -> str:
    return number(None if seconds is None else 1000 * seconds)


def _signed(value: float, metric: str) -> str:
    """A difference with its sign: of accuracies to three decimals."""
    written = share(abs(value)) if "accuracy" in metric else number(abs(value))
    return NONE if pd.isna(value) else f"{'−' if value < 0 else '+'}{written}"
