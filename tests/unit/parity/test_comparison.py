from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vitbench.backends.plan import Plan
from vitbench.config.schema import Config
from vitbench.parity import comparison
from vitbench.parity.comparison import Computed, add_native, compare_with_references, summarize_rows
from vitbench.results.paths import Results

CONFIG = Config(models={"resnet50v2": None}, baseline=None)
LOGITS, LOSSES = np.array([1.0, -4.0]), np.array([2.0, 1.0])
PUBLISHED, TUNED = ("published", "float32"), ("tuned", "float32")


def references(rows: list[dict]) -> set[tuple[str, str, str]]:
    return {(row["execution"], row["quantity"], row["reference_backend"]) for row in rows}


def test_quantities_that_numpy_computes_are_compared_with_numpy_and_the_others_with_the_reference_backend():
    computed = Computed({TUNED: {"logits": LOGITS, "losses": LOSSES}}, exact={"logits": LOGITS})
    rows = compare_with_references(computed, {"logits": LOGITS + 1, "losses": LOSSES}, "jax", CONFIG)
    assert references(rows) == {("tuned", "logits", "numpy"), ("tuned", "losses", "jax")}
    assert all(row["passed"] and row["precision"] == "float32" for row in rows)


def test_the_reference_backend_compares_its_second_execution_with_its_first():
    first, second = {"losses": LOSSES}, {"losses": LOSSES + 1}
    computed = Computed({PUBLISHED: first, TUNED: second})
    rows = compare_with_references(computed, computed.first, "jax", CONFIG)
    assert references(rows) == {("tuned", "losses", "jax")}
    assert not rows[0]["passed"]


def test_executions_that_compute_the_same_are_not_compared_with_themselves():
    quantities = {"losses": LOSSES}
    computed = Computed({PUBLISHED: quantities, TUNED: quantities})
    assert compare_with_references(computed, computed.first, "jax", CONFIG) == []


def test_augmented_pixels_are_compared_with_numpy_in_each_execution():
    pixels = {"augmentation": LOGITS}
    computed = Computed({TUNED: {"losses": LOSSES}}, augmentation={TUNED: (pixels, {"augmentation": LOGITS + 1})})
    rows = compare_with_references(computed, {"losses": LOSSES}, "torch", CONFIG)
    assert references(rows) == {("tuned", "augmentation", "numpy"), ("tuned", "losses", "torch")}
    assert [row["passed"] for row in rows] == [False, True]


def test_captured_steps_are_computed_before_plain_ones_and_listed_after_them(monkeypatch):
    """Their capture fails if a plain step of the same weights ran before."""
    order, graph = [], Plan(jit_compile=False, cuda_graph=True)

    def collect(parts, plan, batches):
        order.append(plan)
        return {"losses": LOSSES}

    monkeypatch.setattr(comparison, "collect_quantities", collect)
    monkeypatch.setattr(comparison, "resolve_plan", lambda plan, parts: plan)
    monkeypatch.setattr(comparison, "load_initial_weights", lambda *_: None)
    workload = SimpleNamespace(parts=SimpleNamespace(augmentation=[], classifier=SimpleNamespace(_flatten_layers=list)))
    plans = {PUBLISHED: Plan(jit_compile=False), TUNED: graph}
    config = Config(executions={"train": ["tuned"]})
    computed = comparison.compute_quantities(config, Results(Path()), "resnet50v2", workload, plans, batches=None)
    assert order == [graph, Plan(jit_compile=False)]
    assert list(computed.by_execution) == [PUBLISHED, TUNED]


def test_an_error_of_the_native_model_is_recorded_and_not_raised(monkeypatch):
    def fail(*arguments):
        raise ValueError("no such shape")

    monkeypatch.setattr(comparison, "compute_native_quantities", fail)
    computed = Computed({TUNED: {"losses": LOSSES}})
    add_native(computed, CONFIG, "vit", "torch", {}, None, None)
    assert computed.native_error == "ValueError: no such shape" and list(computed.by_execution) == [TUNED]


def test_the_quantities_of_the_native_model_are_an_execution(monkeypatch):
    monkeypatch.setattr(comparison, "compute_native_quantities", lambda *arguments: {"losses": LOSSES})
    computed = Computed({TUNED: {"losses": LOSSES}})
    add_native(computed, CONFIG, "vit", "torch", {}, None, None)
    assert computed.native_error is None and list(computed.by_execution) == [TUNED, ("native", "float32")]


@pytest.mark.parametrize(
    ("difference", "summary"),
    [
        (5e-5, "passed, 2 comparisons; the closest, losses, used 0.500 of its tolerance"),
        (
            1e-3,
            "FAILED, 1 of 2 comparisons; losses (tuned), compared with jax, differs by 0.001 of the largest value; "
            "the tolerance is 0.0001",
        ),
    ],
)
def test_the_summary_names_the_decisive_comparison(difference, summary):
    keys = {"execution": "tuned", "reference_backend": "jax", "tolerance": 1e-4}
    rows = [
        keys | {"quantity": "logits", "max_rel_difference": 1e-6, "passed": True},
        keys | {"quantity": "losses", "max_rel_difference": difference, "passed": difference <= 1e-4},
    ]
    assert summarize_rows(rows) == summary


def test_the_summary_says_that_there_was_nothing_to_compare():
    assert summarize_rows([]).startswith("nothing to compare with")
