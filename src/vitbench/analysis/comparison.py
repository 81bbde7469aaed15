"""How two experiments differ: in their settings, in what they ran on, and in what came out."""

from pathlib import Path

import numpy as np
import pandas as pd

from vitbench.analysis import statistics
from vitbench.analysis.load import LoadedResults, RecordedEnvironment, flatten, load_results
from vitbench.analysis.statistics import METRICS, add_verdicts, compare_block_speeds
from vitbench.config.schema import Statistics
from vitbench.system.logs import UserError

CONTESTANT = ["model", "backend", "execution", "precision"]
TIMED = [*CONTESTANT, "phase", "batch_size"]
NOT_A_SETTING = ("experiment", "report.")  # a name or a title changes no figure
OF_A_PROCESS = ("execution.compilations",)  # a count that another process of the same kind need not reach


def load_both(a: str | Path, b: str | Path) -> tuple[LoadedResults, LoadedResults]:
    """What the two directories hold. Raises UserError if one is not an experiment's results."""
    for path in map(Path, (a, b)):
        if not (path / "config.json").exists() or not (path / "tables").is_dir():
            raise UserError(
                f"{path}: there are no tables in it; it should be results/<experiment> with a finished report"
            )
    return load_results(a), load_results(b)


def label_experiments(a: str | Path, b: str | Path) -> tuple[str, str]:
    """What the two are called: after their directories, or by the whole path where those have one name."""
    short = Path(a).resolve().name, Path(b).resolve().name
    return short if short[0] != short[1] else (str(a), str(b))


def compare_settings(a: LoadedResults, b: LoadedResults) -> pd.DataFrame:
    """A row per setting that differs: setting, a, b."""
    found = [dict(flatten(e.config.model_dump(mode="json"))) for e in (a, b)]
    return _differing("setting", *found, leave_out=NOT_A_SETTING)


def compare_environments(a: LoadedResults, b: LoadedResults) -> pd.DataFrame:
    """A row per property of hardware or software that differs, of contestants that are in both: property, a, b."""
    common = {_contestant(job) for job in a.environments} & {_contestant(job) for job in b.environments}
    found = [_properties([job for job in e.environments if _contestant(job) in common]) for e in (a, b)]
    return _differing("property", *found, leave_out=OF_A_PROCESS)


def have_same_test_images(a: LoadedResults, b: LoadedResults) -> bool:
    digests = [{k: v for k, v in e.manifest.get("sha256", {}).items() if "test" in k} for e in (a, b)]
    return digests[0] == digests[1] != {}


def compare_accuracies(a: LoadedResults, b: LoadedResults, chosen: Statistics) -> pd.DataFrame:
    """A row per contestant of both and metric: the means, b − a with its interval, the tests and a verdict.

    The runs of two experiments have nothing in common but, perhaps, their seeds, so they are not paired.
    """
    rows = []
    for metric in METRICS:
        family = []
        found = [_by(CONTESTANT, e.runs[_comparable(e.runs)], metric) for e in (a, b)]
        for keys in (keys for keys in found[0] if keys in found[1]):
            row = dict(zip(CONTESTANT, keys, strict=True)) | {"metric": metric}
            one, other = found[0][keys], found[1][keys]
            means = {"n_a": len(one), "n_b": len(other), "mean_a": one.mean(), "mean_b": other.mean()}
            family.append(row | statistics.compare_unpaired(other, one, chosen) | means)
        rows += add_verdicts(family, chosen)
    columns = ["n_a", "n_b", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "p_value", "p_value_adjusted"]
    columns = [*CONTESTANT, "metric", *columns, "p_equivalence", "p_equivalence_adjusted", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def compare_speeds(a: LoadedResults, b: LoadedResults, chosen: Statistics) -> pd.DataFrame:
    """A row per measurement of both: the median images/s, b ÷ a with its interval over timed blocks, and a verdict."""
    rows, found = [], [_by(TIMED, e.blocks, "images_per_second") for e in (a, b)]
    for measured, e in zip(found, (a, b), strict=True):
        for keys in e.throughput.loc[~_comparable(e.throughput), TIMED].itertuples(index=False, name=None):
            measured.pop(keys, None)
    for keys in (keys for keys in found[0] if keys in found[1]):
        one, other = found[0][keys], found[1][keys]
        row = dict(zip(TIMED, keys, strict=True)) | {"median_a": np.median(one), "median_b": np.median(other)}
        rows.append(row | compare_block_speeds(other, one, chosen))
    columns = [*TIMED, "n", "median_a", "median_b", "ratio", "ratio_ci_low", "ratio_ci_high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def measured_in_one(a: LoadedResults, b: LoadedResults) -> list[set[tuple]]:
    """The contestants (model, backend, execution, precision) that only `a`, and that only `b`, has measured."""
    measured = []
    for e in (a, b):
        rows = pd.concat([t.loc[t["status"] == "completed", CONTESTANT] for t in (e.runs, e.throughput)])
        measured.append(set(rows.itertuples(index=False, name=None)))
    return [measured[0] - measured[1], measured[1] - measured[0]]


def excluded_by_parity(a: LoadedResults, b: LoadedResults) -> list[set[tuple]]:
    """The contestants that `a`, and that `b`, has measured although their parity failed: they are not compared."""
    found: list[set[tuple]] = []
    for e in (a, b):
        rows = pd.concat(
            [t.loc[(t["status"] == "completed") & ~_comparable(t), CONTESTANT] for t in (e.runs, e.throughput)]
        )
        found.append(set(rows.itertuples(index=False, name=None)))
    return found


def _comparable(rows: pd.DataFrame) -> pd.Series:
    """Whether a run or measurement completed, and nothing stands against it."""
    return (rows["status"] == "completed") & rows["error"].isna()


def _by(keys: list[str], rows: pd.DataFrame, column: str) -> dict[tuple, np.ndarray]:
    groups = rows.dropna(subset=[column]).groupby(keys, sort=False)
    return {names: group[column].to_numpy(float) for names, group in groups}


def _contestant(job: RecordedEnvironment) -> tuple:
    return job.model, job.backend, job.execution, job.precision


def _properties(jobs: list[RecordedEnvironment]) -> dict[str, str]:
    """Dotted name → all values that jobs recorded."""
    found: dict[str, dict] = {}
    for job in jobs:
        for name, value in flatten(job.values):
            found.setdefault(name, {})[str(value)] = None
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def _differing(what: str, a: dict, b: dict, leave_out: tuple[str, ...]) -> pd.DataFrame:
    names = [name for name in dict.fromkeys([*a, *b]) if not name.startswith(leave_out)]
    rows = [(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)]
    return pd.DataFrame(rows, columns=[what, "a", "b"], dtype=object)
