import numpy as np
import pytest

from vitbench.results.predictions import count_confusions, load_predictions, save_predictions


def test_the_most_probable_classes_come_first_with_their_probabilities(tmp_path):
    logits = np.log(np.array([[0.1, 0.6, 0.05, 0.05, 0.15, 0.05], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]])) + 7
    save_predictions(tmp_path / "predictions.npz", logits.astype(np.float32))
    classes, probabilities = load_predictions(tmp_path / "predictions.npz")
    assert classes.shape == probabilities.shape == (2, 5)
    assert classes[0, :3].tolist() == [1, 4, 0]
    np.testing.assert_allclose(probabilities[0], [0.6, 0.15, 0.1, 0.05, 0.05], rtol=1e-5)


def test_large_logits_do_not_overflow(tmp_path):
    save_predictions(tmp_path / "predictions.npz", np.array([[1000.0, 0.0]]))
    classes, probabilities = load_predictions(tmp_path / "predictions.npz")
    assert (classes.tolist(), probabilities.tolist()) == ([[0, 1]], [[1.0, 0.0]])


def test_predictions_that_were_not_saved_are_none(tmp_path):
    assert load_predictions(tmp_path / "predictions.npz") is None


def test_the_most_frequent_confusions_come_first():
    labels, predicted = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 1, 0, 2])
    confusions = count_confusions(labels, predicted, pairs=2)
    assert confusions == [(0, 1, 2, pytest.approx(0.5)), (0, 2, 1, pytest.approx(0.25))]
    assert len(count_confusions(labels, predicted, pairs=10)) == 3
    assert count_confusions(labels, labels, pairs=10) == []
