"""The parity gate passes what is the same, and catches nine faults, on every backend."""

import shutil

import pandas as pd
import pytest

from helpers.backend_processes import BACKENDS
from integration import variants
from integration.by_hand import ended, vitbench
from integration.planting import FAULTS, QUANTITIES, planted, used
from vitbench.parity.gate import write_failed_parity
from vitbench.results.paths import Results
from vitbench.system.files import read_json


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


def test_without_a_reference_the_vit_is_still_compared_with_numpy(prepared, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    results = Results(folder / "results/interrupted")
    write_failed_parity(results, "vit", "jax", RuntimeError("no driver"))
    said = ended(vitbench(folder, "parity", "--model", "vit", "--backend", "torch"))
    assert "compared with NumPy alone, because parity of jax failed" in said and "passed" in said
    found = read_json(results.parity("vit", "torch"))
    assert found["passed"] and {row["reference_backend"] for row in found["quantities"]} == {"numpy"}
    assert {"logits", "loss", "slope", "augmentation"} == {row["quantity"] for row in found["quantities"]}
