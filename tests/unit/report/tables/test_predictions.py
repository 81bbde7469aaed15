"""Tables of predictions mark right and wrong classes and leave out what all columns share."""

import numpy as np
import pandas as pd

from helpers import fake_results
from helpers.html_tables import read_rows
from vitbench.analysis.load import PredictedImage
from vitbench.report.tables import predictions

JAX, TORCH = ("vit", "jax", "tuned", "float32"), ("vit", "torch", "tuned", "float32")


def sample(class_name: str, predicted: dict) -> PredictedImage:
    return PredictedImage(np.zeros((8, 8, 3), np.uint8), class_name, predicted)


def test_predictions_are_marked_and_columns_are_named_by_what_varies():
    samples = [sample("seven", {TORCH: ("one", 0.25), JAX: ("seven", 0.75)}), sample("<b>", {JAX: ("<b>", 0.5)})]
    first, second = read_rows(predictions.samples_table(samples, fake_results.make_config()))
    assert list(first) == ["Image", "Class", "jax", "torch"]
    assert (first["jax"], first["torch"]) == ("✓ seven (0.750)", "✗ one (0.250)")
    assert (second["Class"], second["jax"], second["torch"]) == ("<b>", "✓ <b> (0.500)", "–")


def test_a_single_configuration_is_named_by_its_backend():
    (row,) = read_rows(predictions.samples_table([sample("seven", {JAX: ("seven", 0.75)})], fake_results.make_config()))
    assert "jax" in row


def test_images_without_predictions_are_shown_all_the_same():
    (row,) = read_rows(predictions.samples_table([sample("seven", {})], fake_results.make_config()))
    assert row == {"Image": "", "Class": "seven"}


def test_only_the_first_confusions_of_a_configuration_are_shown():
    keys = dict(zip(("model", "backend", "execution", "precision"), JAX, strict=True))
    confusions = pd.DataFrame(
        [keys | {"true_class": f"c{n}", "predicted_class": "x", "images": 20 - n, "share": 0.2} for n in range(9)]
    )
    rows = read_rows(predictions.confusions_table(confusions, fake_results.make_config()))
    assert [row["Class"] for row in rows] == ["c0", "c1", "c2", "c3", "c4"]
    assert (rows[0]["Images"], rows[0]["Share of class"]) == ("20", "20\N{NARROW NO-BREAK SPACE}%")
