"""The breakdown of a step's time finds a delay where it was planted."""

import pytest

from helpers.backend_processes import BACKENDS

SHARES = {"step": "compute_seconds_share", "input": "input_seconds_share", "callback": "host_seconds_share"}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("delayed", SHARES)
def test_a_planted_delay_is_found_where_it_was_planted(backend_processes, backend, delayed):
    """Without the delay of 50 ms, a step of this model takes some milliseconds."""
    shares = backend_processes.call(backend, "integration.workers.time_breakdown:measure_shares", delayed)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[SHARES[delayed]] > 0.6
