"""Tables of speeds, of where a step's time goes, of startup times, memory, energy and tuning."""

import pandas as pd

from vitbench.analysis.startup import startup_costs
from vitbench.analysis.statistics import METRICS
from vitbench.backends.plan import PUBLISHED
from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_gibibytes, format_number, format_percent
from vitbench.report.html import Html, abbreviate, backend_label, badge
from vitbench.report.summary import PHASES
from vitbench.report.tables.rows import (
    KEYS,
    condensed_table,
    configuration_cells,
    configuration_position,
    format_milliseconds,
)


def speeds_table(comparisons: pd.DataFrame, config: Config) -> Html:
    """The ratio of the speeds of each pair of backends, with its interval."""
    interval = f"{format_percent(config.statistics.confidence)} interval"
    rows = [
        {
            "Model": row.model,
            "Pair": f"{row.backend_a} ÷ {row.backend_b}",
            "Execution": row.execution,
            "Precision": row.precision,
            "Phase": PHASES[row.metric.split("_")[0]],
            "Batch size": format_number(row.batch_size),
            "Blocks": format_number(row.n),
            "Ratio": format_number(row.ratio),
            interval: MISSING
            if pd.isna(row.ratio_ci_low)
            else f"{format_number(row.ratio_ci_low)} to {format_number(row.ratio_ci_high)}",
            "Verdict": row.verdict,
        }
        for row in comparisons[~comparisons["metric"].isin(METRICS)].itertuples()
    ]
    caption = (
        "Ratios of median speeds with bootstrap intervals over timed blocks. The blocks of a measurement follow each "
        "other in one process, so the interval does not cover another process or another day. Equivalent: the speeds "
        f"are shown to differ by less than {format_percent(config.statistics.speed_margin)}."
    )
    return condensed_table(rows, caption, "speeds", ("Batch size", "Blocks", "Ratio", interval))


def throughput_table(throughput: pd.DataFrame) -> Html:
    """Every completed measurement; empty columns are left out."""
    done = throughput[throughput["status"] == "completed"]
    done = done.assign(of_native=_of_native(done))
    columns = {
        "Batch size": ("batch_size", format_number),
        "Images/s": ("images_per_second", format_number),
        "Of native": ("of_native", format_percent),
        "Step median,\N{NO-BREAK SPACE}ms": ("step_seconds_p50", format_milliseconds),
        "Step 95\N{NO-BREAK SPACE}%,\N{NO-BREAK SPACE}ms": ("step_seconds_p95", format_milliseconds),
        "FLOP per image": ("flops_per_image", format_number),
        "FLOP/s": ("achieved_flops_per_second", format_number),
        "Of the device\N{RIGHT SINGLE QUOTATION MARK}s peak": ("mfu", format_percent),
    }
    unequal = done["error"].notna().any()  # measured in spite of it
    known = {label: (column, write) for label, (column, write) in columns.items() if done[column].notna().any()}
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in KEYS]),
            "Phase": PHASES.get(row.phase, row.phase),
            **({"Parity": badge("failed") if isinstance(row.error, str) else "passed"} if unequal else {}),
            **{label: write(getattr(row, column)) for label, (column, write) in known.items()},
        }
        for row in done.itertuples()
    ]
    caption = "Steady-state speeds, with the device synchronised at the end of each block."
    if "Of native" in known:
        caption += " Of native: the share of the speed of the native execution mode on the same backend."
    if "FLOP per image" in known:
        caption += " The peak is the fastest product of large matrices in the same process and precision."
    return condensed_table(rows, caption, "throughput", numeric=list(known))


def _of_native(done: pd.DataFrame) -> pd.Series:
    """Images per second ÷ those of the native execution of the same backend, of those that are not native."""
    same = ["model", "backend", "precision", "phase", "batch_size"]
    native = done[done["execution"] == "native"].set_index(same)["images_per_second"]
    wanted = pd.MultiIndex.from_frame(done[same])
    native_speed = pd.Series(native.reindex(wanted).to_numpy(float), index=done.index)
    return (done["images_per_second"] / native_speed).where(done["execution"] != "native")


def shares_table(throughput: pd.DataFrame) -> Html:
    """The shares of a training step's time."""
    done = throughput[(throughput["status"] == "completed") & throughput["compute_seconds_share"].notna()]
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in KEYS]),
            "Batch size": format_number(row.batch_size),
            "Waiting for input": format_percent(row.input_seconds_share),
            "Keras\N{RIGHT SINGLE QUOTATION MARK} loop": format_percent(row.host_seconds_share),
            "The step itself": format_percent(row.compute_seconds_share),
            "Images/s": format_number(row.images_per_second),
            "Images/s, loss read each step": format_number(row.images_per_second_reading_loss),
        }
        for row in done.itertuples()
    ]
    caption = (
        "Where the time of a training step goes, from the differences between three loops that take turns: fit as it "
        "is, fit on one batch that is on the device already, and the step called again and again on that batch. "
        "TensorFlow keeps that batch on the host, so copying it to a GPU counts as part of the step. A callback that "
        "reads the loss, as a progress bar does, waits for the device at each step."
    )
    return condensed_table(rows, caption, "shares", numeric=list(rows[0])[4:] if rows else ())


def startup_table(throughput: pd.DataFrame, manifest: dict, config: Config) -> Html:
    """Startup times, and after how many epochs a longer one has paid off."""
    images = manifest.get("train_images")
    trained_on = images and images - round(images * config.dataset.validation_fraction)
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in KEYS]),
            "Batch size": format_number(row.batch_size),
            "Import,\N{NO-BREAK SPACE}s": format_number(row.import_seconds),
            "Build,\N{NO-BREAK SPACE}s": format_number(row.build_seconds),
            "First step,\N{NO-BREAK SPACE}s": format_number(row.first_step_seconds),
            "Another batch size,\N{NO-BREAK SPACE}s": format_number(row.recompile_seconds),
            "Epoch after that,\N{NO-BREAK SPACE}s": format_number(row.epoch_seconds),
            "Pays off after": _epochs(row.break_even_epochs),
        }
        for row in startup_costs(throughput, trained_on).itertuples()
    ]
    caption = (
        "The time before a process trains at full speed, and the first step with another batch size. Pays off after: "
        "the number of epochs that make up for a startup that is longer than the shortest one of the model."
    )
    return condensed_table(rows, caption, "startup", numeric=list(rows[0])[4:] if rows else ())


def _epochs(value: float) -> str:
    if pd.isna(value) or value == 0:
        return MISSING if pd.isna(value) else "at once"
    return "never" if value == float("inf") else f"{format_number(value)} epochs"


def memory_table(throughput: pd.DataFrame) -> Html:
    """The memory peaks of each measurement's process, and its energy where it can be read."""
    done = throughput[throughput["status"] == "completed"]
    columns = {
        "Host,\N{NO-BREAK SPACE}GiB": ("peak_host_memory_bytes", format_gibibytes),
        "Device,\N{NO-BREAK SPACE}GiB": ("peak_device_memory_bytes", format_gibibytes),
        "Energy per image,\N{NO-BREAK SPACE}J": ("energy_joules_per_image", format_number),
        "Energy read from": ("energy_source", lambda source: source if isinstance(source, str) else MISSING),
    }
    known = {label: (column, write) for label, (column, write) in columns.items() if done[column].notna().any()}
    rows = [
        {
            **configuration_cells([getattr(row, key) for key in KEYS]),
            "Phase": PHASES.get(row.phase, row.phase),
            "Batch size": format_number(row.batch_size),
            **{label: write(getattr(row, column)) for label, (column, write) in known.items()},
        }
        for row in done.itertuples()
    ]
    caption = (
        "Peak memory of the measurement's process. Host memory is counted by the kernel and includes the frameworks' "
        "own code; device memory is counted by the allocator."
    )
    return condensed_table(rows, caption, "memory", numeric=["Batch size", *known])


def tuning_table(tuning: list[dict], config: Config) -> Html:
    """Every candidate plan of the step tune; the chosen one is marked."""
    rows = []
    for tuned in sorted(tuning, key=lambda tuned: configuration_position(tuned["model"], tuned["backend"], config)):
        for candidate in tuned.get("candidates", []):
            plan = candidate.get("plan") or {}
            chosen = plan == tuned.get("plan")
            rows.append(
                {
                    "Model": tuned["model"],
                    "Backend": backend_label(tuned["backend"]),
                    "Precision": tuned["precision"],
                    "Plan": _plan(plan),
                    "Startup,\N{NO-BREAK SPACE}s": format_number(candidate.get("startup_seconds")),
                    "Step,\N{NO-BREAK SPACE}ms": format_milliseconds(candidate.get("step_seconds")),
                    "Predicted training,\N{NO-BREAK SPACE}s": format_number(candidate.get("predicted_seconds")),
                    "Outcome": badge("chosen" if chosen else candidate.get("status")),
                    "Remark": abbreviate((tuned.get("reason") if chosen else candidate.get("error")) or ""),
                }
            )
    numbers = ("Startup,\N{NO-BREAK SPACE}s", "Step,\N{NO-BREAK SPACE}ms", "Predicted training,\N{NO-BREAK SPACE}s")
    return condensed_table(
        rows,
        "Candidate plans: ways to execute the same training, with their measured times.",
        "tuning",
        numeric=numbers,
    )


def _plan(plan: dict) -> str:
    """The settings of a plan that differ from the example's."""
    published = PUBLISHED.as_dict()
    settings = {k: v for k, v in plan.items() if k == "jit_compile" or v != published.get(k)}
    return ", ".join(f"{key}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{value}" for key, value in settings.items())
