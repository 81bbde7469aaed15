"""The parity table shows the worst comparison of each quantity; the audit shows the properties that differ."""

import pandas as pd
import pytest

from helpers import fake_results
from helpers.html_tables import read_caption, read_rows
from vitbench.analysis.load import load_results
from vitbench.report.tables import parity

COMPARED = {"model": "vit", "backend": "torch", "execution": "published", "precision": "float32"}
COMPARED |= {"reference_backend": "numpy", "max_abs_difference": 1e-6, "cosine": 1.0, "tolerance": 1e-4, "passed": True}


@pytest.fixture(scope="module")
def settings():
    return fake_results.make_config()


@pytest.fixture(scope="module")
def loaded(settings, tmp_path_factory):
    return load_results(fake_results.write_directory(tmp_path_factory.mktemp("results"), settings))


def gradient(weight: str, difference: float, **changes) -> dict:
    return COMPARED | {"quantity": "gradient", "weight": weight, "max_rel_difference": difference} | changes


def test_a_quantity_of_many_weights_is_one_row_with_the_worst_of_them(settings):
    rows = [gradient("a", 1e-6, cosine=0.999), gradient("b", 5e-5), gradient("c", 2e-6)]
    (row,) = read_rows(parity.parity_table(pd.DataFrame(rows), settings))
    assert row["Quantity"] == "gradient of 3 weights"
    assert row["Relative"] == "5.0\N{NARROW NO-BREAK SPACE}×\N{NARROW NO-BREAK SPACE}10⁻⁵"
    assert (row["Smallest cosine"], row["Result"]) == ("0.999", "passed")
    assert row["Reference"] == "NumPy,\N{NO-BREAK SPACE}float64"


def test_one_failed_weight_fails_the_quantity(settings):
    rows = [gradient("a", 1e-6), gradient("b", 5e-3, passed=False)]
    (row,) = read_rows(parity.parity_table(pd.DataFrame(rows), settings))
    assert row["Result"] == "failed"


def test_execution_modes_with_equal_values_share_a_row(settings):
    rows = [gradient("a", 1e-6, execution=execution) for execution in ("published", "tuned")]
    (row,) = read_rows(parity.parity_table(pd.DataFrame(rows), settings))
    assert row["Execution"] == "published, tuned"
    rows[1]["precision"] = "tf32"
    (row,) = read_rows(parity.parity_table(pd.DataFrame(rows), settings))
    assert row["Execution"] == "published for float32, tuned for tf32"


def test_the_caption_names_the_reference_and_why_a_tolerance_of_gradients_is_larger(settings):
    strict = settings.parity.tolerances.gradient
    caption = read_caption(parity.parity_table(pd.DataFrame([gradient("a", 1e-6, tolerance=strict)]), settings))
    assert f"{settings.reference_backend('vit')} is the reference for vit." in caption
    assert "ReLU" not in caption
    caption = read_caption(parity.parity_table(pd.DataFrame([gradient("a", 1e-6, tolerance=9 * strict)]), settings))
    assert "4 times the change" in caption and "ReLU" in caption


def test_the_audit_has_a_table_per_model_with_the_properties_that_differ(loaded):
    html = parity.execution_audit_tables(loaded)
    assert html.count("<table") == len(loaded.config.models.parameters())
    rows = {row["Property"]: row for row in read_rows(html)}
    compiled = rows["execution.jit_compile_effective"]
    assert (compiled["jax · tuned"], compiled["torch · tuned"]) == ("True", "False")
    assert compiled["jax · published"] == "–"  # its measurement did not record the property
    assert "hostname" not in rows


def test_the_environment_has_the_properties_that_all_jobs_share(loaded):
    rows = read_rows(parity.environment_table(loaded))
    assert rows == [{"Property": "hostname", "Value": "made-up"}]
