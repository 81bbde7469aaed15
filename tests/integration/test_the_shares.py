"""What a step spends its time on is told apart, on every backend."""

import json

import pytest

from helpers.backend_processes import BACKENDS, on_every_backend

SHARES = {"step": "compute_seconds_share", "input": "input_seconds_share", "callback": "host_seconds_share"}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("shares")
    # one at a time and on one core each, since a step that waits for a core takes longer than what is planted in it
    on_every_backend("integration.shares_worker", str(folder), at_once=1, variables={"OMP_NUM_THREADS": "1"})
    return {backend: json.loads((folder / f"{backend}.json").read_text()) for backend in BACKENDS}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("where", SHARES)
def test_a_planted_delay_is_found_where_it_was_planted(found, backend, where):
    """Without it, a step of this model takes some milliseconds, so 50 of them are most of the time."""
    shares = found[backend][where]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[SHARES[where]] > 0.6
