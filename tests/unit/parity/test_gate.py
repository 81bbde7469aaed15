import numpy as np
import pytest

from vitbench.config.schema import Config
from vitbench.parity.gate import GatedError, check_gate, write_failed_parity
from vitbench.results.jobs import Job
from vitbench.results.paths import Results
from vitbench.system.files import read_json, write_json

CONFIG = Config(models={"resnet50v2": None}, baseline=None)
LENIENT = Config(models={"resnet50v2": None}, baseline=None, parity={"train_despite_failure": True})
TUNED, NATIVE = Job("vit", "torch", "tuned", "float32"), Job("vit", "torch", "native", "float32")


def row(execution: str, difference: float) -> dict:
    return {
        "execution": execution,
        "quantity": "logits",
        "weight": None,
        "reference_backend": "jax",
        "max_rel_difference": difference,
        "tolerance": 1e-4,
        "passed": difference <= 1e-4,
    }


@pytest.fixture
def write_verdict(tmp_path):
    def write(*rows: dict, **values) -> Results:
        results = Results(tmp_path)
        write_json(results.parity("vit", "torch"), {"quantities": list(rows), **values})
        return results

    return write


def test_a_backend_that_passed_runs_without_a_warning(write_verdict):
    assert check_gate(CONFIG, write_verdict(row("published", 1e-6), row("tuned", 1e-5)), TUNED) is None


def test_a_backend_that_failed_is_stopped_and_the_worst_row_is_named(write_verdict):
    results = write_verdict(row("published", 2e-4), row("tuned", 0.3))
    with pytest.raises(GatedError, match=r"^parity failed: logits \(tuned\), compared with jax, differs by 0\.3 of"):
        check_gate(CONFIG, results, TUNED)


def test_a_backend_that_failed_in_one_keras_execution_is_stopped_in_the_other(write_verdict):
    with pytest.raises(GatedError):
        check_gate(CONFIG, write_verdict(row("published", 0.3), row("tuned", 0)), TUNED)


def test_with_train_despite_failure_a_backend_that_failed_runs_with_a_warning(write_verdict):
    warning = check_gate(LENIENT, write_verdict(row("tuned", 0.3)), TUNED)
    assert warning.startswith("parity failed: logits (tuned)")
    assert warning.endswith("; measured anyway, because parity.train_despite_failure is true")


def test_the_native_model_passes_or_fails_on_its_own(write_verdict):
    results = write_verdict(row("tuned", 0), row("native", 0.3))
    assert check_gate(CONFIG, results, TUNED) is None
    with pytest.raises(GatedError, match=r"logits \(native\)"):
        check_gate(CONFIG, results, NATIVE)
    results = write_verdict(row("tuned", 0.3), row("native", 0))
    assert check_gate(CONFIG, results, NATIVE) is None


def test_an_error_of_the_native_model_stops_only_that(write_verdict):
    results = write_verdict(row("tuned", 0), native_error="ValueError: no such shape")
    assert check_gate(CONFIG, results, TUNED) is None
    with pytest.raises(GatedError, match=r"^parity could not be computed: ValueError: no such shape$"):
        check_gate(CONFIG, results, NATIVE)


def test_a_backend_whose_parity_could_not_be_computed_is_stopped(tmp_path):
    results = Results(tmp_path)
    write_failed_parity(results, "vit", "torch", RuntimeError("no driver"))
    verdict = read_json(results.parity("vit", "torch"))
    assert verdict["passed"] is False and verdict["quantities"] == []
    with np.load(results.parity_quantities("vit", "torch")) as quantities:
        assert quantities.files == []
    for job in (TUNED, NATIVE):
        with pytest.raises(GatedError, match=r"^parity could not be computed: RuntimeError: no driver$"):
            check_gate(CONFIG, results, job)
