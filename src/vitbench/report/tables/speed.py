"""Tables of speeds, of where a step's time goes, of startup times, memory, energy and tuning."""

from collections.abc import Callable

import pandas as pd

from vitbench.analysis.startup import startup_costs
from vitbench.analysis.statistics import METRICS
from vitbench.backends.plan import PUBLISHED
from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_gibibytes, format_number, format_percent, join_words
from vitbench.report.html import Html, abbreviate, backend_label, badge
from vitbench.report.speed_summary import PHASES
from vitbench.report.tables.rows import (
    condensed_table,
    configuration_position,
    format_bounds,
    format_milliseconds,
    row_cells,
)

Columns = dict[str, tuple[str, Callable]]  # label → column of the table, function that formats its values


def speeds_table(comparisons: pd.DataFrame, config: Config) -> Html:
    """The ratio of the speeds of each pair of backends, with its interval and verdict."""
    interval = f"{format_percent(config.statistics.confidence)} interval"
    rows = [
        {
            "Model": row.model,
            "Pair": f"{row.backend_a} ÷ {row.backend_b}",
            "Execution": row.execution,
            "Precision": row.precision,
            "Phase": PHASES[row.metric.split("_")[0]],
            "Batch size": format_number(row.batch_size),
            "Rounds": format_number(row.n),
            "Ratio": format_number(row.ratio),
            interval: format_bounds(row.ratio_ci_low, row.ratio_ci_high),
            "Verdict": row.verdict,
        }
        for row in comparisons[~comparisons["metric"].isin(METRICS)].itertuples()
    ]
    caption = (
        "Ratios of speeds, geometric means over rounds, with t intervals. Each round is a process of its own, in which "
        "the configurations take turns. Verdicts are after Holm's correction. Equivalent: the speeds are shown to "
        f"differ by less than {format_percent(config.statistics.speed_margin)}."
    )
    return condensed_table(rows, caption, "speeds", ("Batch size", "Rounds", "Ratio", interval))


def throughput_table(throughput: pd.DataFrame) -> Html:
    """Every completed measurement, without columns that are empty in all of them."""
    done = throughput[throughput["status"] == "completed"]
    done = done.assign(share_of_native=_share_of_native(done), spread=_format_spreads(done))
    columns = {
        "Batch size": ("batch_size", format_number),
        "Rounds": ("rounds", format_number),
        "Images/s": ("images_per_second", format_number),
        "Spread, %": ("spread", str),
        "Share of native": ("share_of_native", format_percent),
        "Median step,\N{NO-BREAK SPACE}ms": ("step_seconds_p50", format_milliseconds),
        "95th percentile,\N{NO-BREAK SPACE}ms": ("step_seconds_p95", format_milliseconds),
        "FLOP per image": ("flops_per_image", format_number),
        "FLOP/s": ("achieved_flops_per_second", format_number),
        "Share of peak": ("mfu", format_percent),
    }
    columns = _drop_empty(columns, done)
    has_failed_parity = done["error"].notna().any()  # such configurations are measured if the config says so
    rows = []
    for row in done.itertuples():
        cells = {**row_cells(row), "Phase": PHASES.get(row.phase, row.phase)}
        if has_failed_parity:
            cells["Parity"] = badge("failed" if isinstance(row.error, str) else "passed")
        rows.append(cells | _format_columns(columns, row))
    caption = (
        "Speeds in steady state, geometric means over rounds. Spread: the standard deviation relative to the mean, "
        "between processes (rounds) / within a process (blocks)."
    )
    if "Share of native" in columns:
        caption += " Share of native: the speed relative to that of the native execution mode on the same backend."
    if "FLOP per image" in columns:
        caption += " The peak is that of products of large matrices, the largest of all rounds in the same precision."
    return condensed_table(rows, caption, "throughput", numeric=list(columns))


def _format_spreads(done: pd.DataFrame) -> list[str]:
    """The spread of the rounds and that of the blocks, in percent."""
    spreads = zip(done["round_spread"].astype(float), done["block_spread"].astype(float), strict=True)
    return [" / ".join(MISSING if pd.isna(spread) else f"{100 * spread:.0f}" for spread in pair) for pair in spreads]


def _share_of_native(done: pd.DataFrame) -> pd.Series:
    """Images per second ÷ those of the native execution mode on the same backend; null for native itself."""
    keys = ["model", "backend", "precision", "phase", "batch_size"]
    native = done[done["execution"] == "native"].set_index(keys)["images_per_second"]
    native_speeds = native.reindex(pd.MultiIndex.from_frame(done[keys])).to_numpy(float)
    return (done["images_per_second"] / native_speeds).where(done["execution"] != "native")


def _drop_empty(columns: Columns, frame: pd.DataFrame) -> Columns:
    return {label: (name, write) for label, (name, write) in columns.items() if frame[name].notna().any()}


def _format_columns(columns: Columns, row) -> dict[str, str]:
    return {label: write(getattr(row, name)) for label, (name, write) in columns.items()}


def shares_table(throughput: pd.DataFrame) -> Html:
    """The shares of the time of a training step."""
    done = throughput[(throughput["status"] == "completed") & throughput["compute_seconds_share"].notna()]
    columns = {
        "Batch size": ("batch_size", format_number),
        "Waiting for input": ("input_seconds_share", format_percent),
        "Keras loop": ("host_seconds_share", format_percent),
        "Step": ("compute_seconds_share", format_percent),
        "GPU busy": ("gpu_busy_share", format_percent),
        "Images/s": ("images_per_second", format_number),
        "Images/s, reading the loss": ("images_per_second_reading_loss", format_number),
    }
    columns = _drop_empty(columns, done)
    rows = [row_cells(row) | _format_columns(columns, row) for row in done.itertuples()]
    caption = (
        "Where the time of a training step goes. The shares follow from the differences between three loops that take "
        "turns: fit as it is, fit on one batch that is already on the device, and repeated calls of the step on that "
        "batch. TensorFlow keeps that batch on the host, so copying it to a GPU counts as part of the step. Reading "
        "the loss: with a callback that reads the loss at each step, as a progress bar does, and so waits for the "
        "device."
    )
    if "GPU busy" in columns:
        caption += (
            " GPU busy: the share of the time in which a kernel ran, as NVML samples it. Launching kernels is part of "
            "the step, so a step with an idle GPU waits for launches."
        )
    return condensed_table(rows, caption, "shares", numeric=list(columns))


def startup_table(throughput: pd.DataFrame, train_images: int | None, warm_caches: list[str]) -> Html:
    """Startup times, and the number of epochs after which a longer startup has paid off.

    warm_caches: the variables that named a compilation cache of the user's.
    """
    columns = {
        "Batch size": ("batch_size", format_number),
        "Import,\N{NO-BREAK SPACE}s": ("import_seconds", format_number),
        "Device,\N{NO-BREAK SPACE}s": ("device_seconds", format_number),
        "Build,\N{NO-BREAK SPACE}s": ("build_seconds", format_number),
        "First step,\N{NO-BREAK SPACE}s": ("first_step_seconds", format_number),
        "New batch size,\N{NO-BREAK SPACE}s": ("recompile_seconds", format_number),
        "Epoch,\N{NO-BREAK SPACE}s": ("epoch_seconds", format_number),
        "Pays off after": ("break_even_epochs", _format_break_even),
    }
    rows = [
        row_cells(row) | _format_columns(columns, row) for row in startup_costs(throughput, train_images).itertuples()
    ]
    caption = (
        "The time before a process trains at full speed: import, a first tensor on the device, build and first step. "
        "New batch size: the first step with another batch size. Epoch: one pass over the training images in steady "
        "state. Pays off after: the number of epochs after which a longer startup has been made up for, compared with "
        "the shortest one of the model."
    )
    if warm_caches:
        caption += f" Some starts were not cold: {join_words(warm_caches)} kept compiled code between processes."
    return condensed_table(rows, caption, "startup", numeric=list(columns))


def _format_break_even(epochs: float) -> str:
    if pd.isna(epochs):
        return MISSING
    if epochs == 0:
        return "at once"
    return "never" if epochs == float("inf") else f"{format_number(epochs)} epochs"


def memory_table(throughput: pd.DataFrame) -> Html:
    """The peak memory of each measurement's process, and its energy where it can be read."""
    done = throughput[throughput["status"] == "completed"]
    columns = {
        "Host,\N{NO-BREAK SPACE}GiB": ("peak_host_memory_bytes", format_gibibytes),
        "Device,\N{NO-BREAK SPACE}GiB": ("peak_device_memory_bytes", format_gibibytes),
        "Energy per image,\N{NO-BREAK SPACE}J": ("energy_joules_per_image", format_number),
        "Energy source": ("energy_source", lambda source: source if isinstance(source, str) else MISSING),
    }
    columns = {"Batch size": ("batch_size", format_number), **_drop_empty(columns, done)}
    rows = [
        {
            **row_cells(row),
            "Phase": PHASES.get(row.phase, row.phase),
            **_format_columns(columns, row),
        }
        for row in done.itertuples()
    ]
    caption = (
        "Peak memory of the process of each measurement. The kernel counts the host memory, which includes the code of "
        "the frameworks; the framework's allocator counts the device memory."
    )
    return condensed_table(rows, caption, "memory", numeric=[label for label in columns if label != "Energy source"])


def tuning_table(tuning: list[dict], config: Config) -> Html:
    """Every candidate plan of the step tune; the chosen one is marked."""
    startup, step, predicted = (f"{name},\N{NO-BREAK SPACE}" for name in ("Startup", "Step", "Predicted training"))
    rows = []
    for tuned in sorted(tuning, key=lambda tuned: configuration_position(tuned["model"], tuned["backend"], config)):
        for candidate in tuned.get("candidates", []):
            plan = candidate.get("plan") or {}
            is_chosen = plan == tuned.get("plan")
            rows.append(
                {
                    "Model": tuned["model"],
                    "Backend": backend_label(tuned["backend"]),
                    "Precision": tuned["precision"],
                    "Plan": _format_plan(plan),
                    f"{startup}s": format_number(candidate.get("startup_seconds")),
                    f"{step}ms": format_milliseconds(candidate.get("step_seconds")),
                    f"{predicted}s": format_number(candidate.get("predicted_seconds")),
                    "Outcome": badge("chosen" if is_chosen else candidate.get("status")),
                    "Reason": abbreviate((tuned.get("reason") if is_chosen else candidate.get("error")) or ""),
                }
            )
    caption = "Candidate plans: ways to execute the same training, with their measured times."
    return condensed_table(rows, caption, "tuning", (f"{startup}s", f"{step}ms", f"{predicted}s"))


def _format_plan(plan: dict) -> str:
    """The settings of a plan that differ from those of the example, and always jit_compile."""
    published = PUBLISHED.as_dict()
    settings = {k: v for k, v in plan.items() if k == "jit_compile" or v != published.get(k)}
    return ", ".join(f"{key}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{value}" for key, value in settings.items())
