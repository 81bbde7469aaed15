"""Shows what tuning gains and what Keras costs: python benchmarks/speed.py [results/speed]

Reads tables/throughput and tables/rounds. Prints the training speeds with the first steps and the time breakdown, and
the ratios of the execution modes' speeds over rounds.
"""

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import pandas as pd

from vitbench.analysis.speeds import compare_speeds_by_round
from vitbench.backends.registry import BACKENDS
from vitbench.config.report import Statistics

SHARES = ("input_seconds_share", "host_seconds_share", "compute_seconds_share")
EXECUTIONS = ("tuned", "published", "native")


def main(root: str = "results/speed") -> None:
    tables = {name: pd.read_parquet(Path(root, "tables", f"{name}.parquet")) for name in ("throughput", "rounds")}
    throughput, rounds = (t[(t["model"] == "vit") & (t["phase"] == "train")] for t in tables.values())
    headings = ("backend", "execution mode", "rounds", "images/s", "first step, s", "another batch size, s")
    print("|", " | ".join((*headings, "input", "Keras' loop", "step", "MFU")), "|")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in throughput.itertuples():
        if row.status != "completed":
            print(f"| {row.backend} | {row.execution} | {row.status}: {row.error} |")
            continue
        shares = " | ".join("–" if pd.isna(getattr(row, s)) else f"{getattr(row, s):.1%}" for s in SHARES)
        cells = (
            f"{row.rounds} | {row.images_per_second:.2f} | {row.first_step_seconds:.1f} | {row.recompile_seconds:.1f}"
        )
        print(f"| {row.backend} | {row.execution} | {cells} | {shares} | {row.mfu:.1%} |")
    print("\n| backend | ratio | n | speed | 95 % interval |\n|---|---|---|---|---|")
    completed = rounds[(rounds["status"] == "completed") & ~rounds["control"].astype(bool)]
    for backend, (a, b) in itertools.product(BACKENDS, itertools.combinations(EXECUTIONS, 2)):
        pair = [completed[(completed["backend"] == backend) & (completed["execution"] == e)] for e in (a, b)]
        if not any(rows.empty for rows in pair):
            row = compare_speeds_by_round(*pair, Statistics())
            interval = f"{row['ratio_ci_low']:.2f} to {row['ratio_ci_high']:.2f}" if row["n"] > 1 else "–"
            print(f"| {backend} | {a} ÷ {b} | {row['n']} | {row['ratio']:.2f} | {interval} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
