"""How many seeds or rounds a verdict needs: the power of the t test and of the equivalence tests."""

import bisect

import numpy as np
from scipy import stats

POWER = 0.8  # probability of a verdict with the number that is recommended
LARGEST_SIZE = 1000
INTEGRATION_POINTS = 400


def needed_size(
    difference: float, deviation: float, alpha: float, margin: float, image_error: float = 0.0
) -> int | None:
    """The smallest number of pairs with which one of the tests decides with a probability of 0.8; None above 1,000.

    difference, deviation: mean and standard deviation of the paired differences, which are taken as the true values.
    alpha: significance level of each test. margin: for equivalence. image_error: the standard error from the test
    images, which does not fall with the number of pairs.
    """

    if deviation == image_error == 0:
        return 2

    def decides(n: int) -> bool:
        by_difference = power_of_difference(n, difference, deviation, alpha, image_error)
        by_equivalence = power_of_equivalence(n, difference, deviation, alpha, margin, image_error)
        return max(by_difference, by_equivalence) >= POWER

    candidates = range(2, LARGEST_SIZE + 1)
    position = bisect.bisect_left(candidates, True, key=decides)  # power grows with the number of pairs
    return candidates[position] if position < len(candidates) else None


def power_of_difference(n: int, difference: float, deviation: float, alpha: float, image_error: float = 0.0) -> float:
    """The power of the two-sided paired t test with n pairs (Cohen 1988, section 2.3).

    difference, deviation: true mean and standard deviation of the paired differences. image_error: as for
    `needed_size`. The power given the sample standard deviation is averaged over the distribution of that deviation.
    """
    # statsmodels' TTestPower agrees to within 0.0001, but it is NaN for ordinary arguments, such as an effect size of
    # 4.8 with 4 seeds, because SciPy's noncentral t distribution is.
    error, threshold = _sample_bounds(n, deviation, image_error, alpha / 2)
    upper, lower = (difference - threshold) / error, (-difference - threshold) / error
    return float(np.mean(stats.norm.cdf(upper) + stats.norm.cdf(lower)))


def power_of_equivalence(
    n: int, difference: float, deviation: float, alpha: float, margin: float, image_error: float = 0.0
) -> float:
    """The power of the two one-sided tests with n pairs (Phillips 1990, J. Pharmacokin. Biopharm. 18, 137–144).

    difference, deviation, image_error: as for `power_of_difference`. Given the sample standard deviation, the power is
    the probability that the sample mean lies far enough within the margin.
    """
    error, bounds = _sample_bounds(n, deviation, image_error, alpha)
    room = np.maximum(0, margin - bounds)
    return float(np.mean(stats.norm.cdf((room - difference) / error) - stats.norm.cdf((-room - difference) / error)))


def _sample_bounds(n: int, deviation: float, image_error: float, alpha: float) -> tuple[float, np.ndarray]:
    """The true standard error of the mean, and equally likely bounds of a one-sided interval, (INTEGRATION_POINTS,).

    A bound is the distance from the sample mean, as in `vitbench.analysis.sampling`.
    """
    quantiles = (np.arange(INTEGRATION_POINTS) + 0.5) / INTEGRATION_POINTS
    error = deviation / np.sqrt(n)
    sample_errors = error * np.sqrt(stats.chi2.ppf(quantiles, n - 1) / (n - 1))
    bounds = np.hypot(stats.t.isf(alpha, n - 1) * sample_errors, stats.norm.isf(alpha) * image_error)
    return float(np.hypot(error, image_error)), bounds
