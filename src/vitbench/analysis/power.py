"""How many seeds or rounds a verdict needs: the power of the t test and of the equivalence tests."""

import bisect

import numpy as np
from scipy import stats

POWER = 0.8  # probability of a verdict with the number that is recommended
LARGEST_SIZE = 1000
INTEGRATION_POINTS = 400


def needed_size(difference: float, deviation: float, alpha: float, margin: float) -> int | None:
    """The smallest number of pairs with which one of the tests decides with a probability of 0.8; None above 1,000.

    difference, deviation: mean and standard deviation of the paired differences, which are taken as the true values.
    alpha: significance level of each test. margin: for equivalence.
    """

    def decides(n: int) -> bool:
        by_difference = power_of_difference(n, difference, deviation, alpha)
        return max(by_difference, power_of_equivalence(n, difference, deviation, alpha, margin)) >= POWER

    candidates = range(2, LARGEST_SIZE + 1)
    position = bisect.bisect_left(candidates, True, key=decides)  # power grows with the number of pairs
    return candidates[position] if position < len(candidates) else None


def power_of_difference(n: int, difference: float, deviation: float, alpha: float) -> float:
    """The power of the two-sided paired t test with n pairs (Cohen 1988, section 2.3).

    difference, deviation: true mean and standard deviation of the paired differences. The power given the sample
    standard deviation is averaged over the distribution of that deviation.
    """
    # statsmodels' TTestPower agrees to within 0.0001, but it is NaN for ordinary arguments, such as an effect size of
    # 4.8 with 4 seeds, because SciPy's noncentral t distribution is.
    error, sample_errors = _standard_errors(n, deviation)
    threshold = stats.t.ppf(1 - alpha / 2, n - 1) * sample_errors
    upper, lower = (difference - threshold) / error, (-difference - threshold) / error
    return float(np.mean(stats.norm.cdf(upper) + stats.norm.cdf(lower)))


def power_of_equivalence(n: int, difference: float, deviation: float, alpha: float, margin: float) -> float:
    """The power of the two one-sided tests with n pairs (Phillips 1990, J. Pharmacokin. Biopharm. 18, 137–144).

    difference, deviation: as for `power_of_difference`. Given the sample standard deviation, the power is the
    probability that the sample mean lies far enough within the margin.
    """
    error, sample_errors = _standard_errors(n, deviation)
    room = np.maximum(0, margin - stats.t.ppf(1 - alpha, n - 1) * sample_errors)
    return float(np.mean(stats.norm.cdf((room - difference) / error) - stats.norm.cdf((-room - difference) / error)))


def _standard_errors(n: int, deviation: float) -> tuple[float, np.ndarray]:
    """The true standard error of the mean, and equally likely sample standard errors, (INTEGRATION_POINTS,)."""
    quantiles = (np.arange(INTEGRATION_POINTS) + 0.5) / INTEGRATION_POINTS
    error = deviation / np.sqrt(n)
    return error, error * np.sqrt(stats.chi2.ppf(quantiles, n - 1) / (n - 1))
