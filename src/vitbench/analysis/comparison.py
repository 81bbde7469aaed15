"""How two experiments differ: in their settings, in hardware and software, and in their results."""

from pathlib import Path

import numpy as np
import pandas as pd

from vitbench.analysis.load import LoadedResults, RecordedEnvironment, flatten, load_results
from vitbench.analysis.speeds import compare_block_speeds
from vitbench.analysis.statistics import METRICS, add_verdicts, compare_unpaired
from vitbench.config.schema import Statistics
from vitbench.results.schema import CONFIGURATION_KEYS, MEASUREMENT_KEYS
from vitbench.system.logs import UserError

IGNORED_SETTINGS = ("experiment", "report.")  # a name or a title changes no result
IGNORED_PROPERTIES = ("execution.compilations",)  # a count that differs between equal processes

Configuration = tuple[str, str, str, str]  # model, backend, execution mode, precision


def load_both(a: str | Path, b: str | Path) -> tuple[LoadedResults, LoadedResults]:
    """Loads the two directories. Raises UserError if one of them is not an experiment with tables."""
    for path in map(Path, (a, b)):
        if not (path / "config.json").exists() or not (path / "tables").is_dir():
            raise UserError(f"{path} holds no tables; it should be results/<experiment> with a finished report")
    return load_results(a), load_results(b)


def label_experiments(a: str | Path, b: str | Path) -> tuple[str, str]:
    """The names of the two directories, or their paths if the names are equal."""
    names = Path(a).resolve().name, Path(b).resolve().name
    return names if names[0] != names[1] else (str(a), str(b))


def compare_settings(a: LoadedResults, b: LoadedResults) -> pd.DataFrame:
    """A row per setting that differs: setting, a, b."""
    values = [dict(flatten(results.config.model_dump(mode="json"))) for results in (a, b)]
    return _differing_rows("setting", *values, ignored=IGNORED_SETTINGS)


def compare_environments(a: LoadedResults, b: LoadedResults) -> pd.DataFrame:
    """A row per recorded property that differs, of the configurations that are in both: property, a, b."""
    common = {_configuration(job) for job in a.environments} & {_configuration(job) for job in b.environments}
    values = [
        _merge_properties([job for job in results.environments if _configuration(job) in common]) for results in (a, b)
    ]
    return _differing_rows("property", *values, ignored=IGNORED_PROPERTIES)


def have_same_test_images(a: LoadedResults, b: LoadedResults) -> bool:
    digests = [{k: v for k, v in r.manifest.get("sha256", {}).items() if "test" in k} for r in (a, b)]
    return digests[0] == digests[1] != {}


def compare_accuracies(a: LoadedResults, b: LoadedResults, settings: Statistics) -> pd.DataFrame:
    """A row per configuration of both and metric: the means, b − a with its interval, the tests and a verdict.

    The runs of two experiments are not paired, because they have nothing in common except, perhaps, their seeds.
    """
    rows = []
    for metric in METRICS:
        family = []
        values_a, values_b = (_group(r.runs[_is_comparable(r.runs)], CONFIGURATION_KEYS, metric) for r in (a, b))
        for keys in (keys for keys in values_a if keys in values_b):
            first, second = values_a[keys], values_b[keys]
            row = dict(zip(CONFIGURATION_KEYS, keys, strict=True)) | {"metric": metric}
            row |= compare_unpaired(second, first, settings)
            row |= {"n_a": len(first), "n_b": len(second), "mean_a": first.mean(), "mean_b": second.mean()}
            family.append(row)
        rows += add_verdicts(family, settings)
    columns = ["n_a", "n_b", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "p_value", "p_value_adjusted"]
    columns = [*CONFIGURATION_KEYS, "metric", *columns, "p_equivalence", "p_equivalence_adjusted", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def compare_speeds(a: LoadedResults, b: LoadedResults, settings: Statistics) -> pd.DataFrame:
    """A row per measurement of both: the median images/s, b ÷ a with its interval over timed blocks, and a verdict."""
    rows, blocks = [], [_group(results.blocks, MEASUREMENT_KEYS, "images_per_second") for results in (a, b)]
    for by_keys, results in zip(blocks, (a, b), strict=True):
        excluded = results.throughput.loc[~_is_comparable(results.throughput), MEASUREMENT_KEYS]
        for keys in excluded.itertuples(index=False, name=None):
            by_keys.pop(keys, None)
    for keys in (keys for keys in blocks[0] if keys in blocks[1]):
        first, second = blocks[0][keys], blocks[1][keys]
        row = dict(zip(MEASUREMENT_KEYS, keys, strict=True))
        row |= {"median_a": np.median(first), "median_b": np.median(second)}
        rows.append(row | compare_block_speeds(second, first, settings))
    columns = [*MEASUREMENT_KEYS, "n", "median_a", "median_b", "ratio", "ratio_ci_low", "ratio_ci_high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def measured_in_one(a: LoadedResults, b: LoadedResults) -> list[set[Configuration]]:
    """The configurations that only `a`, and that only `b`, has measured."""
    measured = [_list_configurations(results, lambda rows: rows["status"] == "completed") for results in (a, b)]
    return [measured[0] - measured[1], measured[1] - measured[0]]


def excluded_by_parity(a: LoadedResults, b: LoadedResults) -> list[set[Configuration]]:
    """The configurations of `a`, and of `b`, that were measured although parity failed. They are not compared."""
    return [
        _list_configurations(results, lambda rows: (rows["status"] == "completed") & ~_is_comparable(rows))
        for results in (a, b)
    ]


def _list_configurations(results: LoadedResults, choose) -> set[Configuration]:
    tables = [table.loc[choose(table), CONFIGURATION_KEYS] for table in (results.runs, results.throughput)]
    return set(pd.concat(tables).itertuples(index=False, name=None))


def _is_comparable(rows: pd.DataFrame) -> pd.Series:
    """Whether a run or a measurement completed without a reason against comparing it."""
    return (rows["status"] == "completed") & rows["error"].isna()


def _group(rows: pd.DataFrame, keys: list[str], column: str) -> dict[tuple, np.ndarray]:
    groups = rows.dropna(subset=[column]).groupby(keys, sort=False)
    return {names: group[column].to_numpy(float) for names, group in groups}


def _configuration(job: RecordedEnvironment) -> Configuration:
    return job.model, job.backend, job.execution, job.precision


def _merge_properties(jobs: list[RecordedEnvironment]) -> dict[str, str]:
    """Dotted name → all values that the jobs recorded."""
    properties: dict[str, set[str]] = {}
    for job in jobs:
        for name, value in flatten(job.values):
            properties.setdefault(name, set()).add(str(value))
    return {name: ", ".join(sorted(values)) for name, values in properties.items()}


def _differing_rows(name_column: str, a: dict, b: dict, ignored: tuple[str, ...]) -> pd.DataFrame:
    names = [name for name in dict.fromkeys([*a, *b]) if not name.startswith(ignored)]
    rows = [(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)]
    return pd.DataFrame(rows, columns=[name_column, "a", "b"], dtype=object)
