"""Every backend draws as the example does, in each execution, and makes the same pixels of what it draws."""

import numpy as np
import pytest
from scipy import stats

from helpers.backend_processes import BACKENDS, on_every_backend
from vitbench.parity.augmentation import Draws, apply_draws, coordinate_images, read_draws

EXECUTIONS = ("published", "compiled", "sampler", "outside", "native")
CASES = [(b, e) for b in BACKENDS for e in EXECUTIONS if (b, e) != ("tensorflow", "native")]
ANGLE, ZOOM = 0.02 * 2 * np.pi, 0.2
# Least p-value that passes: of the 100 tests below, whose draws are the same each time, any fails with a chance of 1 in
# 20 where a backend's generator changes.
LEAST = 0.05 / 100


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("augmentation")
    on_every_backend("integration.augmentation_worker", str(folder))
    return {backend: dict(np.load(folder / f"{backend}.npz")) for backend in BACKENDS}


def unit(found: dict[str, np.ndarray], execution: str) -> dict[str, np.ndarray]:
    """What was drawn, as it should be distributed: uniformly from 0 to 1, and for flips 0 or 1."""
    return {
        "flips": found[f"{execution} flips"].astype(float),
        "angles": (found[f"{execution} angles"] + ANGLE) / (2 * ANGLE),
        "heights": (found[f"{execution} heights"] - 1 + ZOOM) / (2 * ZOOM),
        "widths": (found[f"{execution} widths"] - 1 + ZOOM) / (2 * ZOOM),
    }


def p_value(values: np.ndarray, name: str) -> float:
    if name == "flips":
        return stats.binomtest(int(values.sum()), len(values), 0.5).pvalue
    return stats.kstest(values, "uniform").pvalue


@pytest.mark.parametrize(("backend", "execution"), CASES)
def test_draws_follow_the_examples_distribution(found, backend, execution):
    values = unit(found[backend], execution)
    for name, of_kind in values.items():
        assert p_value(of_kind, name) > LEAST, name
        if name != "flips":
            assert -1e-4 < of_kind.min() < 0.005 and 0.995 < of_kind.max() < 1 + 1e-4
    together = np.corrcoef(list(values.values()))[np.triu_indices(4, 1)]
    assert np.abs(together).max() < 4 / np.sqrt(len(values["flips"]))


@pytest.mark.parametrize(("backend", "execution"), CASES)
def test_moments_are_those_of_the_distribution(found, backend, execution):
    for name, values in unit(found[backend], execution).items():
        n, variance = len(values), 1 / 4 if name == "flips" else 1 / 12
        fourth = 1 / 16 if name == "flips" else 1 / 80  # central moment
        assert abs(values.mean() - 1 / 2) < 4 * np.sqrt(variance / n), name
        assert abs(values.var() - variance) < 4 * np.sqrt((fourth - variance**2) / n) + 1e-3, name


@pytest.mark.parametrize(("backend", "execution"), [case for case in CASES if case[1] != "published"])
def test_published_and_tuned_draw_from_the_same_distribution(found, backend, execution):
    published, tuned = (unit(found[backend], name) for name in ("published", execution))
    for name in published:
        assert stats.ks_2samp(published[name], tuned[name]).pvalue > LEAST, name


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tenth_more_rotation_would_have_been_seen(found, backend):
    values = unit(found[backend], "stronger")
    assert values["angles"].max() > 1.03 and values["widths"].max() > 1.02
    assert p_value(values["angles"], "angles") < LEAST


@pytest.mark.parametrize(("backend", "execution"), CASES)
def test_the_same_draws_make_the_same_pixels_on_every_backend(found, backend, execution):
    found = found[backend]
    original, n = found["original"], len(found["original"])
    zooms = np.stack([found[f"{execution} heights"], found[f"{execution} widths"]], axis=1)[:n]
    draws = Draws(found[f"{execution} flips"][:n], found[f"{execution} angles"][:n], zooms)
    expected = apply_draws(original, draws)
    np.testing.assert_allclose(found[f"{execution} pixels"], expected, rtol=0, atol=255 * 1e-4)
    assert np.abs(original - expected).max() > 50  # it did something


def test_what_was_drawn_is_read_from_what_became_of_coordinates():
    random = np.random.default_rng(1)
    n, size = 50, 20
    true = Draws(random.random(n) < 0.5, random.uniform(-0.4, 0.4, n), random.uniform(0.7, 1.3, (n, 2)))
    image = coordinate_images(np.zeros((n, size, size)))
    seen = np.stack([apply_draws(image[..., channel], true) for channel in range(3)], axis=-1)
    read = read_draws(seen)
    np.testing.assert_array_equal(read.flips, true.flips)
    np.testing.assert_allclose(read.angles, true.angles, atol=1e-6)
    np.testing.assert_allclose(read.zooms, true.zooms, atol=1e-6)
