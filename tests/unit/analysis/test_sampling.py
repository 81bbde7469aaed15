"""Accuracies are means over seeds and test images, speeds over rounds and experiments, and all of these are samples."""

import numpy as np
import pytest
from scipy import stats

from vitbench.analysis.sampling import SampledMean, sample_difference, sample_experiments, sample_mean

IMAGES, SIMULATIONS = 400, 600


def draw_hits(random: np.random.Generator, seeds: int, seed_spread: float, image_spread: float) -> list[np.ndarray]:
    """The hits of two backends that are equally good, float (seeds, images) each.

    An image is classified correctly if a sum of effects is positive: how hard the image is, how it suits the backend
    (`image_spread`), how lucky the seed is (`seed_spread`), and a rest.
    """
    difficulty = random.normal(0.3, 1.0, IMAGES)
    return [
        (
            difficulty
            + random.normal(0, image_spread, IMAGES)
            + random.normal(0, seed_spread, (seeds, 1))
            + random.normal(0, 0.7, (seeds, IMAGES))
            > 0
        ).astype(float)
        for _ in range(2)
    ]


def excludes_zero(sample: SampledMean) -> bool:
    low, high = sample.interval(0.95)
    return low > 0 or high < 0


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("seed_spread", "image_spread"), [(0, 0.5), (0.06, 0.3), (0.2, 0)])
def test_equally_good_backends_differ_significantly_at_most_once_in_twenty(seeds, seed_spread, image_spread):
    random = np.random.default_rng(seeds)
    paired = unpaired = 0
    for _ in range(SIMULATIONS):
        a, b = draw_hits(random, seeds, seed_spread, image_spread)
        paired += excludes_zero(sample_mean(a - b))
        unpaired += excludes_zero(sample_difference(a, b, same_images=True))
    slack = 3 * np.sqrt(0.05 * 0.95 / SIMULATIONS)
    assert paired / SIMULATIONS <= 0.05 + slack and unpaired / SIMULATIONS <= 0.05 + slack


def test_seeds_with_equal_differences_leave_the_error_of_the_test_images():
    random = np.random.default_rng(0)
    images = 360
    differences = np.stack([random.permutation(np.repeat([1.0, -1.0, 0.0], [12, 8, 340])) for _ in range(2)])
    assert differences[0].mean() == differences[1].mean()  # a t test over seeds would be sure of 4/360
    sample = sample_mean(differences)
    low, high = sample.interval(0.95)
    own_error = differences.mean(axis=0).std(ddof=1) / np.sqrt(images)
    assert sample.error == 0
    assert high - low >= 2 * 1.95 * own_error
    assert sample.p_value() > 0.01 and sample.p_equivalence(0.01) > 0.05


def test_predictions_that_are_all_equal_still_have_the_error_of_one_image():
    sample = sample_mean(np.zeros((3, 20)))
    assert sample.other_error == pytest.approx(1 / 20)
    assert sample.p_value() == pytest.approx(1) and sample.p_equivalence(0.01) > 0.05
    assert sample_mean(np.zeros((3, 10_000))).p_equivalence(0.01) < 1e-6


def test_with_many_images_the_test_is_the_t_test_over_seeds():
    random = np.random.default_rng(1)
    by_seed = random.normal(0.02, 0.02, (4, 1))
    sample = sample_mean(by_seed + random.normal(0, 1e-6, (4, 1000)))
    reference = stats.ttest_1samp(by_seed[:, 0], 0)
    assert sample.p_value() == pytest.approx(reference.pvalue, rel=0.02)
    assert sample.interval(0.95) == pytest.approx(tuple(reference.confidence_interval(0.95)), abs=3e-3)


def test_interval_and_p_value_agree():
    random = np.random.default_rng(2)
    a, b = draw_hits(random, 3, 0.1, 0.3)
    sample = sample_mean(a - b)
    confidence = 1 - sample.p_value()
    low, high = sample.interval(confidence)
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-9)
    assert sample.p_equivalence(abs(sample.mean)) == pytest.approx(0.5)


@pytest.mark.parametrize("rounds", [3, 5])
@pytest.mark.parametrize("between", [0.0, 0.5, 1.0])
def test_two_runs_of_one_experiment_differ_significantly_at_most_once_in_twenty(rounds, between):
    random = np.random.default_rng(rounds)
    different = 0
    for _ in range(SIMULATIONS):
        means = random.normal(0, between * 0.05, (2, 1))  # of the experiments, relative to the scatter within
        a, b = random.normal(means, 0.05, (2, rounds))
        different += excludes_zero(sample_experiments(a, b, deviation=0.05))
    assert different / SIMULATIONS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SIMULATIONS)


def test_equal_rounds_have_no_error_and_no_difference():
    sample = sample_experiments(np.ones(3), np.ones(3), deviation=0.0)
    assert sample.p_value() == 1 and sample.p_equivalence(0.05) < 1e-6


def test_different_test_images_are_not_paired():
    random = np.random.default_rng(3)
    hits = draw_hits(random, 3, 0.0, 0.1)
    paired = sample_difference(*hits, same_images=True)
    unpaired = sample_difference(hits[0], hits[1][:, : IMAGES // 2], same_images=False)
    assert unpaired.other_error > 1.5 * paired.other_error
