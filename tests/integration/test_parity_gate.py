"""The parity gate passes a backend that computes the same, and catches nine planted faults, on every backend."""

import shutil

import pandas as pd
import pytest

from helpers.backend_processes import BACKENDS
from helpers.small_experiment import results_of, start_command, wait_until_done
from integration.gate_trials import FAULTS, QUANTITIES, largest_ratios, run_gate_trials
from integration.model_variants import SMALL
from vitbench.parity.gate import write_failed_parity
from vitbench.system.files import read_json


@pytest.fixture(scope="module")
def rows(backend_processes, tmp_path_factory) -> pd.DataFrame:
    return run_gate_trials(backend_processes, tmp_path_factory.mktemp("gate"), SMALL)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_without_a_fault_passes_well_within_the_tolerances(rows, backend):
    faultless = rows[rows["fault"].isna() & (rows["backend"] == backend)]
    assert set(faultless["quantity"]) == set(QUANTITIES)
    assert faultless["weight"].notna().sum() == 43  # the gradient of every weight
    assert faultless["passed"].all()
    assert largest_ratios(faultless).max() < 0.2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fault_is_caught(rows, backend, fault):
    faulty = rows[(rows["fault"] == fault) & (rows["backend"] == backend)]
    assert not faulty["passed"].all()
    assert largest_ratios(faulty).max() > 5  # even a fault that is five times smaller would be caught


def test_without_a_reference_backend_the_vit_is_compared_with_numpy(prepared_experiment, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(prepared_experiment, project)
    results = results_of(project)
    write_failed_parity(results, "vit", "jax", RuntimeError("no driver"))
    output = wait_until_done(start_command(project, "parity", "--model", "vit", "--backend", "torch"))
    assert "compared with NumPy alone, because parity of jax failed" in output and "passed" in output
    verdict = read_json(results.parity("vit", "torch"))
    assert verdict["passed"] and {row["reference_backend"] for row in verdict["quantities"]} == {"numpy"}
    assert {"logits", "loss", "slope", "augmentation"} == {row["quantity"] for row in verdict["quantities"]}
