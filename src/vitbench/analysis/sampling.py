"""Means with two sources of error: accuracies over seeds and test images, speeds over rounds and experiments.

Few seeds or rounds are a source whose variance is uncertain, so it has a t quantile of its own. With degrees of freedom
that are pooled over both sources, tests of two seeds would be wrong twice as often as their level says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SampledMean:
    """A mean with its standard errors, which are independent.

    error, degrees: from few seeds or rounds, and its degrees of freedom. other_error: from test images or experiments.
    More seeds or rounds do not reduce it, and it is taken as known.
    """

    mean: float
    error: float
    degrees: float
    other_error: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """The interval of the mean."""
        reach = self._reach((1 - confidence) / 2)
        return self.mean - reach, self.mean + reach

    def p_value(self) -> float:
        """Of the two-sided test of "the mean is zero"."""
        return 2 * self._tail(abs(self.mean))

    def p_equivalence(self, margin: float) -> float:
        """The larger p-value of the one-sided tests of "the mean is at most −margin" and "at least margin"."""
        return self._tail(margin - abs(self.mean))

    def _reach(self, p: float) -> float:
        """The distance between the mean and the bound of a one-sided interval that misses with probability `p`."""
        from scipy import special

        return math.hypot(special.stdtrit(self.degrees, p) * self.error, special.ndtri(p) * self.other_error)

    def _tail(self, distance: float) -> float:
        """The probability for which `_reach` is `distance`."""
        from scipy.optimize import brentq

        if distance <= 0:
            return 1 - self._tail(-distance) if distance else 0.5
        smallest = 1e-12
        if self._reach(smallest) <= distance:
            return smallest
        return float(brentq(lambda p: self._reach(p) - distance, smallest, 0.5, xtol=1e-12))


def sample_mean(values: np.ndarray) -> SampledMean:
    """The mean of `values`, float (seeds, images), such as the differences of two backends. Seeds: at least two.

    The same images are classified with every seed, as the same cases are read by every reader of a diagnostic study.
    The variance is split accordingly (Hillis 2007, Statistics in Medicine 26, 596–619: seeds are readers, images are
    cases).
    """
    return _combine(values.mean(), [values], [values.mean(axis=0)])


def sample_difference(a: np.ndarray, b: np.ndarray, same_images: bool) -> SampledMean:
    """mean(a) − mean(b) of values whose seeds are not paired: a float (seeds_a, images_a), b (seeds_b, images_b).

    same_images: whether the columns of both are the same images, so that these are paired.
    """
    over_seeds = a.mean(axis=0), b.mean(axis=0)
    by_image = [over_seeds[0] - over_seeds[1]] if same_images else list(over_seeds)
    return _combine(a.mean() - b.mean(), [a, b], by_image)


def sample_experiments(a: np.ndarray, b: np.ndarray, deviation: float) -> SampledMean:
    """mean(a) − mean(b) of log speeds in the rounds of two experiments: a float (n_a,), b (n_b,), at least two each.

    deviation: the standard deviation of the mean over repetitions of the whole experiment.
    """
    variances = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    spread = variances[0] ** 2 / (len(a) - 1) + variances[1] ** 2 / (len(b) - 1)
    degrees = sum(variances) ** 2 / spread if spread > 0 else len(a) + len(b) - 2  # Welch's
    return SampledMean(float(a.mean() - b.mean()), math.sqrt(sum(variances)), float(degrees), math.sqrt(2) * deviation)


def _combine(mean: float, groups: Sequence[np.ndarray], by_image: Sequence[np.ndarray]) -> SampledMean:
    """groups: independent groups of seeds, (seeds, images) each. by_image: independent groups of images, (images,)."""
    parts = [(values.mean(axis=1).var(ddof=1) / len(values), len(values) - 1) for values in groups]
    over_seeds = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / degrees for variance, degrees in parts)
    degrees = over_seeds**2 / spread if spread > 0 else sum(degrees for _, degrees in parts)  # Welch's
    over_images = sum(max(values.var(ddof=1) / len(values), _one_image(values)) for values in by_image)
    # The scatter over seeds holds a part of that over images. The sum of both is no less than the images' own.
    rest = max(over_images - sum(_interaction(values) for values in groups), over_images - over_seeds, 0.0)
    return SampledMean(float(mean), float(over_seeds**0.5), float(degrees), float(rest**0.5))


def _one_image(values: np.ndarray) -> float:
    """The variance of the mean if one more image were judged differently: a few images without any prove little."""
    return 1 / len(values) ** 2


def _interaction(values: np.ndarray) -> float:
    """The part of the variance of the mean that is due to single pairs of a seed and an image."""
    seeds, images = values.shape
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    return float((rest**2).sum() / ((seeds - 1) * (images - 1)) / (seeds * images))
