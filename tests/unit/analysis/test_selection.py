"""A summary is about the main model, the tuned execution mode, the first precision and a batch size that all share."""

import pandas as pd
import pytest

from helpers import fake_results
from vitbench.analysis.selection import (
    comparable_measurements,
    is_comparable,
    main_batch_size,
    main_execution,
    main_model,
)


def test_the_main_model_is_the_first_that_is_not_the_baseline():
    assert main_model(fake_results.make_config()) == "vit"
    assert main_model(fake_results.make_config(baseline={"model": "vit", "backends": ["jax"]})) == "resnet50v2"
    only_vit = {"vit": {"image_size": 24, "patch_size": 4}}
    assert main_model(fake_results.make_config(models=only_vit, baseline=None)) == "vit"


def test_a_row_with_a_reason_against_comparing_it_is_not_comparable():
    rows = pd.DataFrame({"status": ["completed", "completed", "failed"], "error": [None, "parity failed", None]})
    assert is_comparable(rows).tolist() == [True, False, False]
    measured = rows.assign(phase="train", images_per_second=[None, 2.0, 3.0])
    assert comparable_measurements(measured, "train").empty


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("published", "float32"), ("tuned", "float32")], ("tuned", "float32")),
        ([("published", "float32")], ("published", "float32")),
        ([("tuned", "mixed_bfloat16")], ("tuned", "mixed_bfloat16")),
        ([("tuned", "mixed_bfloat16"), ("published", "float32")], ("published", "float32")),
        ([], ("tuned", "float32")),
    ],
)
def test_tuned_and_the_first_precision_are_preferred(rows, expected):
    config = fake_results.make_config(precisions=["float32", "mixed_bfloat16"])
    assert main_execution(pd.DataFrame(rows, columns=["execution", "precision"]), config) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("jax", 64), ("torch", 64), ("jax", 128), ("torch", 128)], 64),  # that of training
        ([("jax", 32), ("torch", 32), ("jax", 128), ("torch", 128)], 128),  # the largest
        ([("jax", 64), ("jax", 32), ("torch", 32)], 32),  # the one that most backends have
        ([], 64),
    ],
)
def test_the_batch_size_is_one_that_most_backends_have(rows, expected):
    assert (
        main_batch_size(pd.DataFrame(rows, columns=["backend", "batch_size"]), fake_results.make_config()) == expected
    )
