"""The report has every figure that the results directory promises, with a caption."""

import pytest

from helpers import fake_results
from vitbench.analysis.load import load_results
from vitbench.report.figures.catalog import build_figures
from vitbench.results.schema import FIGURES


@pytest.fixture
def loaded(tmp_path):
    return load_results(fake_results.write_directory(tmp_path, fake_results.make_config()))


def test_every_figure_of_the_schema_is_built_in_its_order(loaded):
    figures = build_figures(loaded)
    assert tuple(figures) == FIGURES
    assert all(len(figure.caption) > 20 and "{" not in figure.caption for figure in figures.values())
    assert "of class seven," in figures["patches"].caption


def test_missing_images_leave_a_figure_that_says_so(tmp_path):
    root = fake_results.write_directory(tmp_path, fake_results.make_config())
    (root / "data" / "x_train.npy").unlink()
    figure = build_figures(load_results(root))["patches"]
    assert figure.caption == "No training image is available."
    assert figure.draw()[1] == "The images of this experiment are not stored with its results."
