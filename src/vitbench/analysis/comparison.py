"""How two experiments differ in their settings, their hardware and software, and their results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from vitbench.analysis.load import LoadedResults, RecordedEnvironment, flatten, load_hits, load_results
from vitbench.analysis.sampling import sample_difference, sample_experiments
from vitbench.analysis.selection import is_comparable
from vitbench.analysis.speeds import LEAST_ROUNDS, add_ratio
from vitbench.analysis.statistics import METRICS, compare_unpaired, stack_hits
from vitbench.analysis.verdicts import add_verdicts, examine_sampled_mean
from vitbench.config.report import Statistics
from vitbench.results.schema import CONFIGURATION_KEYS, MEASUREMENT_KEYS
from vitbench.system.logs import UserError

IGNORED_SETTINGS = ("experiment", "report.")  # names and titles change no result
IGNORED_PROPERTIES = ("execution.compilations",)  # the number varies between identical processes

Configuration = tuple[str, str, str, str]  # model, backend, execution mode, precision


def load_both(a: str | Path, b: str | Path) -> tuple[LoadedResults, LoadedResults]:
    """Loads two results directories. Raises UserError if one of them does not contain a config and tables."""
    for path in map(Path, (a, b)):
        if not (path / "config.json").exists() or not (path / "tables").is_dir():
            raise UserError(f"{path} contains no tables. Pass the results/<experiment> of a finished experiment.")
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
    """A row per recorded property that differs between the configurations that both have: property, a, b."""
    common = {_configuration(job) for job in a.environments} & {_configuration(job) for job in b.environments}
    values = [
        _merge_properties([job for job in results.environments if _configuration(job) in common]) for results in (a, b)
    ]
    return _differing_rows("property", *values, ignored=IGNORED_PROPERTIES)


def have_same_test_images(a: LoadedResults, b: LoadedResults) -> bool:
    """Whether the digests of the test images and labels are recorded and equal."""
    digests = [{k: v for k, v in r.manifest.get("sha256", {}).items() if "test" in k} for r in (a, b)]
    return digests[0] == digests[1] != {}


def compare_accuracies(a: LoadedResults, b: LoadedResults, settings: Statistics) -> pd.DataFrame:
    """A row per configuration of both and metric: the means, b − a with its interval, the tests and a verdict.

    The runs are not paired by seed, because everything that differs between the experiments also differs between two
    runs of one seed. The test images are paired if they are the same. The rows of one metric are a family, whose
    p-values are adjusted together.
    """
    rows, same_images = [], have_same_test_images(a, b)
    hits_a, hits_b = (load_hits(results.root, results.runs) for results in (a, b))
    for metric in METRICS:
        runs = [r.runs[is_comparable(r.runs)].dropna(subset=[metric]) for r in (a, b)]
        first, second = (_group(rows, CONFIGURATION_KEYS, metric) for rows in runs)
        seeds_a, seeds_b = (_group(rows, CONFIGURATION_KEYS, "seed") for rows in runs)
        family = []
        for keys in (keys for keys in first if keys in second):
            row = dict(zip(CONFIGURATION_KEYS, keys, strict=True)) | {"metric": metric}
            row |= {"n_a": len(first[keys]), "n_b": len(second[keys])}
            row |= {"mean_a": first[keys].mean(), "mean_b": second[keys].mean()}
            by_image_a = stack_hits(hits_a, keys, seeds_a[keys], metric)
            by_image_b = stack_hits(hits_b, keys, seeds_b[keys], metric)
            sample = None
            if by_image_a is not None and by_image_b is not None:
                sample = sample_difference(by_image_b, by_image_a, same_images)
            family.append(row | compare_unpaired(second[keys], first[keys], settings, sample))
        rows += add_verdicts(family, settings.confidence, "run")
    columns = ["n_a", "n_b", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "p_value", "p_value_adjusted"]
    columns = [*CONFIGURATION_KEYS, "metric", *columns, "p_equivalence", "p_equivalence_adjusted", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def compare_speeds(a: LoadedResults, b: LoadedResults, settings: Statistics) -> pd.DataFrame:
    """A row per measurement of both: the speeds, b ÷ a with its interval over rounds, and a verdict.

    The rounds of two experiments are not paired. Repeated experiments scatter as well. Two of them do not show by how
    much, so their standard deviation is taken to be that between processes within an experiment, pooled over all
    configurations of the phase. The rows of one phase are a family.
    """
    first, second = (_group(_comparable_rounds(r), MEASUREMENT_KEYS, "images_per_second") for r in (a, b))
    margin, rows = np.log1p(settings.speed_margin), []
    for phase in ("train", "infer"):
        family = []
        common = [keys for keys in first if keys in second and keys[-2] == phase]
        logs = {keys: (np.log(first[keys]), np.log(second[keys])) for keys in common}
        deviation = _pool_deviations([values for pair in logs.values() for values in pair])
        for keys, (logs_a, logs_b) in logs.items():
            row = dict(zip(MEASUREMENT_KEYS, keys, strict=True)) | {"n": min(len(logs_a), len(logs_b))}
            row |= {"speed_a": np.exp(logs_a.mean()), "speed_b": np.exp(logs_b.mean())}
            row |= {"difference": logs_b.mean() - logs_a.mean()}
            if row["n"] > 1:
                sample = sample_experiments(logs_b, logs_a, deviation)
                row |= examine_sampled_mean(sample, row["n"], margin, settings.confidence)
            family.append(add_ratio(row))
        rows += add_verdicts(family, settings.confidence, "round", LEAST_ROUNDS)
    columns = [*MEASUREMENT_KEYS, "n", "speed_a", "speed_b", "ratio", "ratio_ci_low", "ratio_ci_high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _pool_deviations(samples: list[np.ndarray]) -> float:
    """The standard deviation within samples of equal variance, float64 (n,) each; 0 without one of two values."""
    samples = [values for values in samples if len(values) > 1]
    degrees = sum(len(values) - 1 for values in samples)
    return float(np.sqrt(sum(((values - values.mean()) ** 2).sum() for values in samples) / max(1, degrees)))


def list_unmatched(a: LoadedResults, b: LoadedResults) -> list[set[Configuration]]:
    """The configurations that only `a`, and those that only `b`, has completed."""
    completed = [_list_configurations(results, lambda rows: rows["status"] == "completed") for results in (a, b)]
    return [completed[0] - completed[1], completed[1] - completed[0]]


def list_excluded(a: LoadedResults, b: LoadedResults) -> list[set[Configuration]]:
    """The configurations of `a`, and of `b`, that completed although they failed parity. They are not compared."""
    return [
        _list_configurations(results, lambda rows: (rows["status"] == "completed") & ~is_comparable(rows))
        for results in (a, b)
    ]


def _list_configurations(results: LoadedResults, choose: Callable[[pd.DataFrame], pd.Series]) -> set[Configuration]:
    tables = [table.loc[choose(table), CONFIGURATION_KEYS] for table in (results.runs, results.throughput)]
    return set(pd.concat(tables).itertuples(index=False, name=None))


def _comparable_rounds(results: LoadedResults) -> pd.DataFrame:
    """The comparable rounds, without second measurements of the same configuration."""
    return results.rounds[is_comparable(results.rounds) & ~results.rounds["control"].astype(bool)]


def _group(rows: pd.DataFrame, keys: list[str], column: str) -> dict[tuple, np.ndarray]:
    """Keys → the values of `column` that are not null, float64 (n,)."""
    groups = rows.dropna(subset=[column]).groupby(keys, sort=False)
    return {names: group[column].to_numpy(float) for names, group in groups}


def _configuration(job: RecordedEnvironment) -> Configuration:
    return job.model, job.backend, job.execution, job.precision


def _merge_properties(jobs: list[RecordedEnvironment]) -> dict[str, str]:
    """Dotted name → all values that the jobs recorded, joined by commas."""
    properties: dict[str, set[str]] = {}
    for job in jobs:
        for name, value in flatten(job.values):
            properties.setdefault(name, set()).add(str(value))
    return {name: ", ".join(sorted(values)) for name, values in properties.items()}


def _differing_rows(name_column: str, a: dict, b: dict, ignored: tuple[str, ...]) -> pd.DataFrame:
    names = [name for name in dict.fromkeys([*a, *b]) if not name.startswith(ignored)]
    rows = [(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)]
    return pd.DataFrame(rows, columns=[name_column, "a", "b"], dtype=object)
