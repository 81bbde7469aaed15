"""Every backend draws augmentations as the example does, and turns the same draws into the same pixels."""

import itertools

import numpy as np
import pytest
from scipy import stats

from helpers.backend_processes import BACKENDS, VARIABLES, BackendProcesses
from integration.augmentation_cases import COMPARED, PIXELS
from integration.results import AugmentedImages
from vitbench.parity.augmentation import Draws, apply_draws

EXECUTIONS = ("published", "compiled", "sampler", "outside", "native")
CASES = list(itertools.product(BACKENDS, EXECUTIONS))
WORKER = "integration.workers.augmentation:augment"
ANGLE, ZOOM = 0.02 * 2 * np.pi, 0.2
# The least p-value that passes. The draws are the same in every run of the tests. If a backend changes its generator,
# one of about 100 tests fails by chance with a probability of 1 in 20.
LEAST_P_VALUE = 0.05 / 100

AugmentedByBackend = dict[str, dict[str, AugmentedImages]]


@pytest.fixture(scope="module")
def images(backend_processes) -> AugmentedByBackend:
    """The augmented images by backend and execution.

    On JAX much is computed here, so XLA has to optimise more than in other tests; that takes a process of its own.
    """
    others = backend_processes.call_each(WORKER, backends=[backend for backend in BACKENDS if backend != "jax"])
    with BackendProcesses({"XLA_FLAGS": f"{VARIABLES['XLA_FLAGS']} --xla_backend_optimization_level=1"}) as processes:
        return others | {"jax": processes.call("jax", WORKER)}


def to_unit_interval(draws: Draws) -> dict[str, np.ndarray]:
    """The draws, scaled so that they should be uniform from 0 to 1; flips should be 0 or 1 with equal probability."""
    return {
        "flips": draws.flips.astype(float),
        "angles": (draws.angles + ANGLE) / (2 * ANGLE),
        "heights": (draws.zooms[:, 0] - 1 + ZOOM) / (2 * ZOOM),
        "widths": (draws.zooms[:, 1] - 1 + ZOOM) / (2 * ZOOM),
    }


def p_value(values: np.ndarray, name: str) -> float:
    if name == "flips":
        return stats.binomtest(int(values.sum()), len(values), 0.5).pvalue
    return stats.kstest(values, "uniform").pvalue


@pytest.mark.parametrize(("backend", "execution"), CASES)
def test_draws_follow_the_distribution_of_the_example(images, backend, execution):
    draws = to_unit_interval(images[backend][execution].draws)
    for name, values in draws.items():
        assert p_value(values, name) > LEAST_P_VALUE, name
        if name != "flips":
            assert -1e-4 < values.min() < 0.005 and 0.995 < values.max() < 1 + 1e-4
    correlations = np.corrcoef(list(draws.values()))[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(len(draws["flips"]))


@pytest.mark.parametrize(("backend", "execution"), CASES)
def test_mean_and_variance_are_those_of_the_distribution(images, backend, execution):
    for name, values in to_unit_interval(images[backend][execution].draws).items():
        n, variance = len(values), 1 / 4 if name == "flips" else 1 / 12
        fourth_moment = 1 / 16 if name == "flips" else 1 / 80  # central
        assert abs(values.mean() - 1 / 2) < 4 * np.sqrt(variance / n), name
        assert abs(values.var() - variance) < 4 * np.sqrt((fourth_moment - variance**2) / n) + 1e-3, name


@pytest.mark.parametrize(("backend", "execution"), [case for case in CASES if case[1] != "published"])
def test_every_execution_draws_from_the_same_distribution(images, backend, execution):
    published, other = (to_unit_interval(images[backend][name].draws) for name in ("published", execution))
    for name in published:
        assert stats.ks_2samp(published[name], other[name], method="asymp").pvalue > LEAST_P_VALUE, name


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tenth_more_rotation_would_fail(images, backend):
    draws = to_unit_interval(images[backend]["stronger"].draws)
    assert draws["angles"].max() > 1.03 and draws["widths"].max() > 1.02
    assert p_value(draws["angles"], "angles") < LEAST_P_VALUE


@pytest.mark.parametrize(("backend", "execution"), CASES)
def test_the_same_draws_give_the_same_pixels_on_every_backend(images, backend, execution):
    original, augmented = PIXELS[:COMPARED], images[backend][execution]
    draws = augmented.draws
    first_draws = Draws(draws.flips[:COMPARED], draws.angles[:COMPARED], draws.zooms[:COMPARED])
    expected = apply_draws(original, first_draws)
    np.testing.assert_allclose(augmented.pixels, expected, rtol=0, atol=255 * 1e-4)
    assert np.abs(original - expected).max() > 50  # the augmentation has an effect
