"""Tests the verdicts on equal processes: python benchmarks/aa.py [results/aa]

Reads tables/rounds of an experiment with many rounds; see aa.yaml. All processes of a backend run the same measurement,
so each verdict "different" between two of them is false. Prints, for each backend and phase, how much equal processes
differ, and for experiments of 3 and of 5 rounds:

- paired: two configurations of one experiment. Rounds 1 and 2 are the two measurements of a first round, 3 and 4 of a
  second one, and so on.
- unpaired: two experiments, as `vitbench compare` compares them. Rounds 1 to 5 are one, and 6 to 10 the other.
- detectable ratio: the smallest true ratio of speeds for which the paired comparison shows a difference in 8 of 10
  cases, from random selections of the pairs, one side of which is made faster.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import pandas as pd
from scipy import stats

from vitbench.analysis.sampling import sample_experiments
from vitbench.analysis.speeds import examine_log_ratios
from vitbench.config.report import Statistics

SETTINGS = Statistics()
ALPHA = 1 - SETTINGS.confidence
SIZES = (3, 5)  # rounds of an experiment
SELECTIONS = 400
RATIOS = np.arange(1.01, 2.0, 0.01)


def compare_disjoint(speeds: np.ndarray, size: int) -> tuple[list[bool], list[bool]]:
    """Whether equals were called different, by paired and by unpaired comparisons of `size` rounds each."""
    starts = range(0, len(speeds) - 2 * size + 1, 2 * size)
    groups = [np.log(speeds[start : start + 2 * size]) for start in starts]
    paired = [examine_log_ratios(logs[::2] - logs[1::2], SETTINGS)["p_value"] < ALPHA for logs in groups]
    unpaired = []
    for logs in groups:
        halves = logs[:size], logs[size:]
        deviation = np.sqrt(np.mean([half.var(ddof=1) for half in halves]))
        unpaired.append(sample_experiments(*halves, deviation).p_value() < ALPHA)
    return paired, unpaired


def detectable_ratio(speeds: np.ndarray, size: int, random: np.random.Generator) -> float | None:
    """The smallest of `RATIOS` that 8 of 10 selections of `size` pairs show to differ from 1; None without one."""
    pairs = np.log(speeds[: len(speeds) // 2 * 2]).reshape(-1, 2)
    selections = np.stack([random.choice(pairs[:, 0] - pairs[:, 1], size, replace=False) for _ in range(SELECTIONS)])
    selections *= random.choice([-1, 1], (SELECTIONS, size))  # which of two equal processes comes first is arbitrary
    for ratio in RATIOS:
        test = stats.ttest_1samp(selections + np.log(ratio), 0.0, axis=1)
        if np.mean((test.pvalue < ALPHA) & (test.statistic > 0)) >= 0.8:
            return float(ratio)
    return None


def main(root: str = "results/aa") -> None:
    rounds = pd.read_parquet(Path(root, "tables", "rounds.parquet"))
    rounds = rounds[(rounds["status"] == "completed") & ~rounds["control"].astype(bool)].sort_values("round")
    random, totals = np.random.default_rng(0), {}
    print("| backend | phase | n | sd over processes | largest ÷ smallest | detectable, 3 rounds | 5 rounds |")
    print("|---|---|---|---|---|---|---|")
    for (backend, phase), group in rounds.groupby(["backend", "phase"], sort=False):
        speeds = group["images_per_second"].to_numpy(float)
        ratios = [detectable_ratio(speeds, size, random) for size in SIZES]
        cells = " | ".join("–" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        spread = np.log(speeds).std(ddof=1)
        print(f"| {backend} | {phase} | {len(speeds)} | {spread:.1%} | {speeds.max() / speeds.min():.2f} | {cells} |")
        for size in SIZES:
            for kind, verdicts in zip(("paired", "unpaired"), compare_disjoint(speeds, size), strict=True):
                totals.setdefault((kind, size), []).extend(verdicts)
    print("\n| comparison of equals | rounds | called different | of |\n|---|---|---|---|")
    for (kind, size), verdicts in totals.items():
        print(f"| {kind} | {size} | {sum(verdicts)} | {len(verdicts)} |")
    disturbed = rounds["disturbed"].astype("boolean").sum()
    print(f"\n{len(rounds)} measurements, {disturbed} of them disturbed even when repeated.")


if __name__ == "__main__":
    main(*sys.argv[1:])
