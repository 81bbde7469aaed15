"""How many seeds a verdict on accuracies needs: the power of the t test and of the equivalence tests."""

import bisect

import numpy as np
from scipy import stats

from vitbench.config.report import Statistics

POWER = 0.8  # of the experiment that an inconclusive verdict asks for
MOST_SEEDS = 1000
INTEGRATION_POINTS = 400


def seeds_needed(difference: float, deviation: float, alpha: float, settings: Statistics) -> int | None:
    """The smallest number of seeds at which either test decides with a power of 0.8, if the truth is as measured.

    difference: mean of the paired differences. deviation: their standard deviation. None if it is above 1,000.
    """

    def decides(n: int) -> bool:
        by_difference = power_of_difference(n, difference, deviation, alpha)
        return max(by_difference, power_of_equivalence(n, difference, deviation, alpha, settings)) >= POWER

    candidates = range(2, MOST_SEEDS + 1)  # power grows with the number of seeds
    place = bisect.bisect_left(candidates, True, key=decides)
    return candidates[place] if place < len(candidates) else None


def power_of_difference(n: int, difference: float, deviation: float, alpha: float) -> float:
    """The power of the paired t test with n pairs (Cohen 1988, section 2.3).

    It is computed as the mean over the distribution of the sample standard deviation: the noncentral t distribution of
    SciPy, which statsmodels' TTestPower uses, is NaN for ordinary arguments.
    """
    error, sample_errors = _standard_errors(n, deviation)
    threshold = stats.t.ppf(1 - alpha / 2, n - 1) * sample_errors
    upper, lower = (difference - threshold) / error, (-difference - threshold) / error
    return float(np.mean(stats.norm.cdf(upper) + stats.norm.cdf(lower)))


def power_of_equivalence(n: int, difference: float, deviation: float, alpha: float, settings: Statistics) -> float:
    """The power of the two one-sided tests with n pairs (Phillips 1990, J. Pharmacokin. Biopharm. 18, 137–144).

    The mean over the distribution of the sample standard deviation of the probability that the mean lies far enough
    within the margin.
    """
    error, sample_errors = _standard_errors(n, deviation)
    room = np.maximum(0, settings.equivalence_margin - stats.t.ppf(1 - alpha, n - 1) * sample_errors)
    return float(np.mean(stats.norm.cdf((room - difference) / error) - stats.norm.cdf((-room - difference) / error)))


def _standard_errors(n: int, deviation: float) -> tuple[float, np.ndarray]:
    """The standard error of the mean of n, and equally likely sample standard errors, (INTEGRATION_POINTS,)."""
    share = (np.arange(INTEGRATION_POINTS) + 0.5) / INTEGRATION_POINTS
    error = deviation / np.sqrt(n)
    return error, error * np.sqrt(stats.chi2.ppf(share, n - 1) / (n - 1))
