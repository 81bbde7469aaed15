"""Speeds are compared by ratios of medians over blocks, with intervals that cover the truth as often as they say."""

import numpy as np
import pytest

from vitbench.analysis.speeds import compare_block_speeds, median_interval, speed_interval
from vitbench.config.report import Statistics

SETTINGS = Statistics()
RATIOS = 800


def blocks(median: float, scatter: float, n: int = 5) -> np.ndarray:
    return median * (1 + scatter * np.linspace(-1, 1, n))


def test_speeds_are_compared_by_the_ratio_of_their_medians():
    row = compare_block_speeds(blocks(300, 0.01), blocks(200, 0.02), SETTINGS)
    assert row["ratio"] == pytest.approx(1.5) and row["ratio_ci_low"] < 1.5 < row["ratio_ci_high"]
    assert row["verdict"] == "different" and row["n"] == 5
    swapped = compare_block_speeds(blocks(200, 0.02), blocks(300, 0.01), SETTINGS)
    assert swapped["ratio_ci_low"] == pytest.approx(1 / row["ratio_ci_high"], rel=0.01)


def test_close_speeds_are_equivalent_and_scattered_ones_inconclusive():
    assert compare_block_speeds(blocks(100, 0.005), blocks(101, 0.005), SETTINGS)["verdict"] == "equivalent"
    scattered = compare_block_speeds(blocks(100, 0.2), blocks(108, 0.2), SETTINGS)["verdict"]
    assert scattered.startswith("inconclusive (n too small: about ") and scattered.endswith(" blocks would decide)")


def test_more_blocks_than_one_would_measure_are_not_recommended():
    verdict = compare_block_speeds(blocks(100, 0.9), blocks(102.5, 0.9), SETTINGS)["verdict"]
    assert verdict == "inconclusive (n too small: more than 1,000 blocks would be needed)"


def test_one_block_has_no_verdict_and_no_interval():
    assert compare_block_speeds(blocks(100, 0, 1), blocks(50, 0, 1), SETTINGS)["verdict"] == "no verdict: one block"
    assert median_interval(blocks(100, 0, 1), 0.95) == (None, None)


def test_the_interval_of_a_median_lies_within_the_blocks():
    low, high = median_interval(blocks(100, 0.1), 0.95)
    assert blocks(100, 0.1).min() <= low < 100 < high <= blocks(100, 0.1).max()


# Three values have too few distinct resamples for a coverage of 0.95.
@pytest.mark.parametrize(("n", "coverage"), [(3, 0.89), (5, 0.95)])
def test_the_interval_of_a_ratio_has_its_nominal_coverage(n, coverage):
    random = np.random.default_rng(4)
    drawn = [np.exp(random.normal(0, 0.03, (RATIOS, n))) for _ in range(2)]
    low, high = speed_interval(*drawn, 0.95)
    assert np.mean((low <= 0) & (high >= 0)) >= coverage - 4 * np.sqrt(0.05 * 0.95 / RATIOS)
