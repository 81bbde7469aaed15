"""What each table of the report holds: columns chosen, seeds gathered into one row, values written for readers."""

import pandas as pd
from markupsafe import Markup

from vitbench import figures
from vitbench.config import Config
from vitbench.evidence import Evidence
from vitbench.numerals import NONE, gibibytes, number, percent, share, spread
from vitbench.presentation import Html, backend, badge, shortened, table

_KEYS = ["model", "backend", "execution", "precision"]


def results_table(runs: pd.DataFrame, parity: pd.DataFrame, config: Config) -> Html:
    """Every contestant, completed or not: one row per model × backend × execution × precision, seeds gathered.

    What was trained although its parity failed is marked.
    """
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
                "Top-5 accuracy": spread(done["test_top5_accuracy"]),
                "Training images/s": number(done["train_images_per_second"].median()),
                "Epoch,\N{NO-BREAK SPACE}s": number(done["epoch_seconds_median"].median()),
                "Parameters": number(group["parameters"].max()),
            }
        )
    caption = (
        "The contestants. Accuracies are mean ± standard deviation over the n completed runs, one per seed; "
        "training images/s and epoch are medians over whole epochs, data feeding included."
    )
    return table(rows, caption, "results", headers=2, numeric=list(rows[0])[5:] if rows else ())


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
            "Test": row.test if isinstance(row.test, str) else NONE,
            "p": number(row.p_value),
            "Verdict": row.verdict if isinstance(row.verdict, str) else NONE,
        }
        for row in comparisons.itertuples()
    ]
    caption = "Pairs of backends. No verdict is drawn from one seed; n counts the seeds that both completed."
    return table(rows, caption, "comparisons", headers=2, numeric=("n", "Difference", interval, "p"))


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
    known = {label: (column, write) for label, (column, write) in columns.items() if done[column].notna().any()}
    rows = [
        {
            **_named([getattr(row, key) for key in _KEYS]),
            "Phase": {"train": "training", "infer": "inference"}.get(row.phase, row.phase),
            **{label: write(getattr(row, column)) for label, (column, write) in known.items()},
        }
        for row in done.itertuples()
    ]
    caption = "Steady-state steps, the device synchronised at the end of each block."
    return table(rows, caption, "throughput", headers=2, numeric=list(known))


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


def parity_table(parity: pd.DataFrame) -> Html:
    rows = [
        {
            "Model": row.model,
            "Backend": backend(row.backend),
            "Execution": row.execution if isinstance(row.execution, str) else NONE,
            "Compared with": row.reference_backend,
            "Quantity": row.quantity,
            "Largest difference": number(row.max_abs_difference),
            "Relative": number(row.max_rel_difference),
            "Tolerance": number(row.tolerance),
            "Result": badge("passed" if row.passed is True or row.passed == 1 else "failed"),
        }
        for row in parity.itertuples()
    ]
    caption = "Largest differences from the reference: absolute, and relative to its largest magnitude, which decides."
    numbers = ("Largest difference", "Relative", "Tolerance")
    return table(rows, caption, "parity", headers=2, numeric=numbers)


def environment_tables(evidence: Evidence) -> Html:
    """Hardware and software, a column per backend: what differs first, then what all share."""
    backends = sorted(evidence.environments, key=figures.order)
    values = {name: _gather(evidence.environments[name]) for name in backends}
    names = list(dict.fromkeys(key for of_backend in values.values() for key in of_backend))
    differing, shared = [], []
    for name in names:
        row = {b: values[b].get(name, NONE) for b in values}
        if len(set(row.values())) > 1:
            differing.append({"Property": name, **row})
        else:
            shared.append({"Property": name, "Value": next(iter(row.values()))})
    return table(differing, "What differs between the backends.", "differing") + table(
        shared, "What all of them share.", "shared"
    )


def _gather(environments: list[dict]) -> dict[str, str]:
    """Dotted name → the value; several, where runs differ, are separated by semicolons."""
    found: dict[str, list[str]] = {}
    for environment in environments:
        for name, value in _flat(environment):
            found.setdefault(name, []).append("none" if value is None else str(value))
    return {name: "; ".join(dict.fromkeys(several)) for name, several in found.items()}


def _flat(value: object, name: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for key, inner in items for pair in _flat(inner, f"{name}.{key}" if name else str(key))]
    return [(name, value)]


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
