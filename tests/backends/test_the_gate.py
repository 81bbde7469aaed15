"""The parity gate passes what is the same, and catches nine faults, on every backend."""

import pandas as pd
import pytest

from backends import variants
from backends.planting import FAULTS, QUANTITIES, planted, used
from backends.processes import BACKENDS


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pd.DataFrame:
    return planted(tmp_path_factory.mktemp("gate"), variants.SMALL)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_the_same_passes_with_room_to_spare(rows, backend):
    clean = rows[rows["fault"].isna() & (rows["backend"] == backend)]
    assert set(clean["quantity"]) == set(QUANTITIES)
    assert clean["weight"].notna().sum() == 43  # the gradient of every weight
    assert clean["passed"].all()
    assert used(clean).max() < 0.2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fault_is_caught(rows, backend, fault):
    of_fault = rows[(rows["fault"] == fault) & (rows["backend"] == backend)]
    assert not of_fault["passed"].all()
    assert used(of_fault).max() > 5  # so it would be, were it five times milder
