"""The figures of the reports by name, with their captions."""

import pandas as pd

from vitbench.analysis.load import LoadedResults
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies
from vitbench.report.figures.bars import draw_accuracy, draw_ratios, draw_throughput
from vitbench.report.figures.curves import draw_accuracy_over_time, draw_learning_curves, draw_timeline
from vitbench.report.figures.images import draw_patches
from vitbench.report.html import CaptionedFigure

_CAPTIONS = {
    "accuracy": (
        "Test accuracy of the weights with the best validation accuracy. One point per seed; the bar is their mean. "
        "Each model has its own axis, which does not start at zero."
    ),
    "throughput": (
        "Images per second in steady state. Published is the example as written; tuned is the same mathematics, "
        "executed by the plan that tune chose; native is the model without Keras. Lines at the ends of bars are "
        "intervals over rounds."
    ),
    "accuracy_over_time": (
        "Validation accuracy over the seconds since a run's process started: import, first step, training and "
        "validation. Thin lines are seeds; for many seeds a band shows their range. Thick lines are means, and the "
        "dashed line is the target."
    ),
    "learning_curves": (
        "Loss and top-5 accuracy after each epoch. Thin lines are seeds; for many seeds a band shows their range. "
        "Thick lines are means. Training values are averages over the epoch, during which the weights change, with "
        "dropout and augmentation on."
    ),
    "patches": (
        "The first training image, of class {class_name}, resized and cut into patches as for the Vision Transformer, "
        "without augmentation."
    ),
    "timeline": "When each command ran, and on which backend.",
}


def build_figures(loaded: LoadedResults) -> dict[str, CaptionedFigure]:
    """The figures of an experiment's report: one for each name in `vitbench.results.schema.FIGURES`."""
    timed = add_wall_seconds(loaded.epochs, loaded.runs)
    targets = target_accuracies(timed, loaded.config.report.target_accuracy)
    image, class_name = loaded.sample or (None, None)
    caption = _CAPTIONS["patches"].format(class_name=class_name) if loaded.sample else "No training image is available."
    return {
        "accuracy": CaptionedFigure(draw_accuracy, (loaded.runs,), _CAPTIONS["accuracy"]),
        "throughput": CaptionedFigure(draw_throughput, (loaded.throughput,), _CAPTIONS["throughput"]),
        "accuracy_over_time": CaptionedFigure(
            draw_accuracy_over_time, (timed, targets), _CAPTIONS["accuracy_over_time"]
        ),
        "learning_curves": CaptionedFigure(draw_learning_curves, (loaded.epochs,), _CAPTIONS["learning_curves"]),
        "patches": CaptionedFigure(draw_patches, (image, loaded.config), caption),
        "timeline": CaptionedFigure(draw_timeline, (loaded.jobs,), _CAPTIONS["timeline"]),
    }


def build_comparison_figure(speeds: pd.DataFrame, names: tuple[str, str]) -> CaptionedFigure:
    """The ratios of the speeds of two experiments, which `vitbench.analysis.comparison.compare_speeds` computed."""
    caption = (
        "Ratio of the speeds of each measurement, with intervals over rounds. To the right of 1 the second "
        "experiment is faster."
    )
    return CaptionedFigure(draw_ratios, (speeds, names), caption)
