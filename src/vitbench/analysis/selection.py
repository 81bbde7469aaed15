"""Which rows may be compared, and which of them a summary is about when an experiment measured several conditions."""

import pandas as pd

from vitbench.config.schema import Config


def is_comparable(rows: pd.DataFrame) -> pd.Series:
    """Whether a run or a measurement completed without a reason against comparing it, such as failed parity."""
    return (rows["status"] == "completed") & rows["error"].isna()


def comparable_measurements(throughput: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The comparable measurements of `phase` (train or infer) that have a speed."""
    rows = throughput[(throughput["phase"] == phase) & is_comparable(throughput)]
    return rows[rows["images_per_second"].notna()]


def main_model(config: Config) -> str:
    """The first model of the config that is not the baseline."""
    models = list(config.models.parameters())
    baseline = config.baseline.model if config.baseline else None
    return next((model for model in models if model != baseline), models[0])


def main_execution(completed: pd.DataFrame, config: Config) -> tuple[str, str]:
    """The execution mode and the precision that a summary is about.

    The precision is the first of the config that completed. The execution mode is published if that completed and tuned
    did not, else tuned.
    """
    precision = next((p for p in config.precisions if (completed["precision"] == p).any()), config.precisions[0])
    executions = set(completed.loc[completed["precision"] == precision, "execution"])
    return ("published" if executions and "tuned" not in executions else "tuned"), precision


def main_batch_size(completed: pd.DataFrame, config: Config) -> float:
    """The batch size at which most backends were timed; of several, the one of training, else the largest."""
    backends = completed.groupby("batch_size")["backend"].nunique()
    sizes = backends[backends == backends.max()].index
    trained = config.training.batch_size
    return trained if trained in sizes or not len(sizes) else max(sizes)


def select_execution(rows: pd.DataFrame, execution: str, precision: str) -> pd.DataFrame:
    """The rows of one execution mode and precision."""
    return rows[(rows["execution"] == execution) & (rows["precision"] == precision)]
