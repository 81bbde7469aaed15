"""The figures can be drawn from any table, and their text alternatives carry the numbers."""

import numpy as np
import pytest

from helpers import fake_results
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies
from vitbench.data.resize import resize_bilinear
from vitbench.report.figures import catalog
from vitbench.report.figures.bars import accuracy, throughput
from vitbench.report.figures.curves import accuracy_over_time, learning_curves, timeline
from vitbench.report.figures.images import patches

CASES = {
    "complete": {},
    "a failed run": {"failed": [("torch", 1)]},
    "a gated backend": {"gated": ["torch"]},
    "a missing backend": {"missing": ["torch"]},
    "nothing": {"missing": ["jax", "torch", "tensorflow"]},
}
DRAWN = {"accuracy": "runs", "throughput": "throughput", "learning_curves": "epochs"}


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", DRAWN)
def test_every_case_gives_a_figure_and_a_text(name, case, narrow):
    tables = fake_results.tables(fake_results.config(), **CASES[case])
    figure, alt = getattr(catalog, name)(tables[DRAWN[name]], narrow=narrow)
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] <= (4 if narrow else 10)
    assert "nan" not in alt
    assert len(alt) > 20
    if case == "nothing":
        assert alt.startswith(("There is no completed run", "No throughput measurement completed"))
    else:
        assert "jax" in alt


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("case", CASES)
def test_accuracy_over_time_marks_the_target(case, narrow):
    tables = fake_results.tables(fake_results.config(), **CASES[case])
    timed = add_wall_seconds(tables["epochs"], tables["runs"])
    figure, alt = accuracy_over_time(timed, target_accuracies(tables["epochs"], 0.5), narrow=narrow)
    figure.draw_without_rendering()
    if case == "nothing":
        assert alt.startswith("There is no completed run")
    else:
        assert "the target of vit is 0.500" in alt and "nan" not in alt
        assert {text.get_text() for text in figure.legends[0].get_texts()} >= {"jax", "target"}


def test_many_seeds_become_a_range():
    few, many = (fake_results.tables(fake_results.config(seeds=range(n)))["epochs"] for n in (5, 6))
    lines = [len(learning_curves(epochs)[0].axes[0].lines) for epochs in (few, many)]
    assert lines == [3 * 2 * (5 + 1), 3 * 2]
    assert len(learning_curves(many)[0].axes[0].collections) == 3 * 2


def test_the_texts_hold_the_numbers():
    tables = fake_results.tables(fake_results.config(), failed=[("torch", 1)], gated=["tensorflow"])
    _, alt = accuracy(tables["runs"])
    assert "vit on torch: 1 failed" in alt
    assert "vit on tensorflow: 2 gated" in alt
    _, alt = throughput(tables["throughput"])
    assert "vit train jax tuned batch 64: 1,234" in alt
    assert "vit tensorflow tuned: gated" in alt


def test_several_batch_sizes_are_drawn_over_batch_size():
    settings = fake_results.config(throughput={"batch_sizes": [32, 64]})
    figure, alt = throughput(fake_results.tables(settings)["throughput"])
    assert figure.axes[0].get_xlabel() == "batch size"
    assert "batch 32" in alt


def test_a_batch_size_that_was_too_large_is_marked():
    settings = fake_results.config(throughput={"batch_sizes": [32, 64, 128]})
    tables = fake_results.tables(settings, too_large=[("torch", 128)])
    figure, alt = throughput(tables["throughput"])
    assert "vit train batch 128 torch tuned: out_of_memory" in alt
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "out of memory"
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "X"]
    assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in marks} == {(128, 0)}


def test_the_timeline_tells_what_lies_between_the_commands():
    jobs = fake_results.tables(fake_results.config())["jobs"]
    for narrow in (False, True):
        figure, alt = timeline(jobs, narrow=narrow)
        figure.draw_without_rendering()
        assert figure.get_size_inches()[0] <= (4 if narrow else 10)
        assert alt == "80 s in which commands ran, 120 s between them: data 20 s, train 60 s."
    assert timeline(jobs[:0])[1] == "No command recorded when it ran."


def test_a_seed_that_ended_early_is_in_no_mean():
    epochs = fake_results.tables(fake_results.config())["epochs"]
    early = epochs[~((epochs["seed"] == 1) & (epochs["epoch"] > 3))]
    early = early.assign(val_loss=early["val_loss"].mask(early["seed"] == 1, 99.0))
    assert learning_curves(early)[1] == learning_curves(epochs[epochs["seed"] != 1])[1]


def test_a_moment_on_the_second_is_a_moment_like_others():
    jobs = fake_results.tables(fake_results.config())["jobs"]
    jobs.loc[0, "finished_at"] = "2026-01-01T00:00:30.500000+00:00"
    assert "data 20.5 s" in timeline(jobs)[1]


def test_a_name_with_dollar_signs_is_drawn_as_it_is():
    runs = fake_results.tables(fake_results.config())["runs"].assign(model=r"$\unknown$")
    figure, _ = accuracy(runs)
    figure.draw_without_rendering()


def test_patches_are_the_image_at_the_models_size():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    figure, alt = patches(image, fake_results.config())
    seen, grid = (axes.images[0].get_array() for axes in figure.axes)
    assert seen.shape == (24, 24, 3)
    opaque = grid[..., 3] == 255
    assert opaque.sum() == 24 * 24
    np.testing.assert_array_equal(grid[:4, :4, :3], seen[:4, :4])
    np.testing.assert_array_equal(grid[-4:, -4:, :3], seen[-4:, -4:])
    assert "6 × 6 patches of 4 × 4 pixels" in alt


def test_patches_without_a_vit_say_so():
    settings = fake_results.config(models={"vit": None})
    _, alt = patches(np.zeros((8, 8, 3), np.uint8), settings)
    assert alt == "No model of this experiment cuts images into patches."


def test_resizing_is_bilinear_with_half_pixel_centres():
    image = np.array([[0, 100], [200, 100]], np.uint8)[..., None].repeat(3, axis=-1)
    rows = resize_bilinear(image, 4)[..., 0].tolist()
    assert rows[0] == [0, 25, 75, 100]
    assert rows[3] == [200, 175, 125, 100]
    np.testing.assert_array_equal(resize_bilinear(image, 2), image)
