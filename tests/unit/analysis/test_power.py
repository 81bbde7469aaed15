"""The predicted power agrees with the noncentral t distribution wherever that is a number."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from vitbench.analysis.power import needed_size, power_of_difference
from vitbench.config.report import Statistics

SETTINGS = Statistics()
DEVIATION = 0.008


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3, 0.05 / 6])
def test_more_seeds_have_more_power(ratio, alpha):
    power = [power_of_difference(n, ratio * DEVIATION, DEVIATION, alpha) for n in range(2, 200)]
    assert all(0 <= value <= 1 for value in power)
    assert (np.diff(power) > -1e-3).all()
    expected = [(n, stats.nct.sf(stats.t.ppf(1 - alpha / 2, n - 1), n - 1, ratio * np.sqrt(n))) for n in (5, 9, 14)]
    for n, upper in expected:  # the lower tail is next to nothing unless the ratio is small
        assert upper - 1e-3 <= power[n - 2] <= upper + (1e-3 if ratio >= 1 else alpha / 2)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 2.0])
def test_the_power_is_that_of_statsmodels_where_that_is_a_number(ratio):
    expected = np.array([TTestPower().power(ratio, n, 0.05 / 3) for n in range(2, 60)])
    power = np.array([power_of_difference(n, ratio * DEVIATION, DEVIATION, 0.05 / 3) for n in range(2, 60)])
    is_number = ~np.isnan(expected)
    assert is_number.sum() > 10
    assert power[is_number] == pytest.approx(expected[is_number], abs=1e-3)


def test_few_seeds_are_recommended_where_few_suffice():
    assert needed_size(0.0117, 0.0059, 0.05 / 3, SETTINGS.equivalence_margin) == 6
    assert needed_size(-0.0117, 0.0059, 0.05 / 3, SETTINGS.equivalence_margin) == 6
    assert needed_size(0.0274, 0.0057, 0.05 / 3, SETTINGS.equivalence_margin) == 4
