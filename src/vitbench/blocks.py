"""The timed blocks of throughput measurements, as a table."""

import pandas as pd

from vitbench.config import Config
from vitbench.records import KEYS, Job
from vitbench.results import Results, read_json


def blocks(config: Config, results: Results, timings: list[Job]) -> pd.DataFrame:
    """A row per timed block of the completed measurements: whose it is, phase, batch_size and images_per_second."""
    rows = []
    for job in timings:
        path = job.result(results)
        for measured in read_json(path).get("measurements", []) if path.exists() else []:
            keys = job.keys(config) | {key: measured[key] for key in ("phase", "batch_size")}
            rows += [keys | {"images_per_second": b["images"] / b["seconds"]} for b in measured.get("blocks", [])]
    return pd.DataFrame(rows, columns=[*KEYS, "phase", "batch_size", "images_per_second"])
