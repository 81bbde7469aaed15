"""The figures of the report by name, with their captions."""

import pandas as pd

from vitbench.analysis.load import LoadedResults
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies
from vitbench.report.figures.bars import accuracy, ratios, throughput
from vitbench.report.figures.curves import accuracy_over_time, learning_curves, timeline
from vitbench.report.figures.images import patches
from vitbench.report.html import Figure
from vitbench.results.schema import FIGURES

NAMES = FIGURES


def build_figures(found: LoadedResults) -> dict[str, Figure]:
    """A picture for each of `NAMES`."""
    timed = add_wall_seconds(found.epochs, found.runs)
    targets = target_accuracies(timed, found.config.report.target_accuracy)
    image, class_name = found.sample or (None, None)
    drawn = {
        "accuracy": (accuracy, found.runs),
        "throughput": (throughput, found.throughput),
        "accuracy_over_time": (accuracy_over_time, timed, targets),
        "learning_curves": (learning_curves, found.epochs),
        "patches": (patches, image, found.config),
        "timeline": (timeline, found.jobs),
    }
    captions = _CAPTIONS | {"patches": _CAPTIONS["patches"].format(class_name)}
    return {name: Figure(draw, tuple(arguments), captions[name]) for name, (draw, *arguments) in drawn.items()}


_CAPTIONS = {
    "accuracy": "Test accuracy of the weights with the best validation accuracy. One point per seed; the bar is their "
    "mean. Each model has its own axis, which does not start at zero.",
    "throughput": "Images per second in the steady state. Published is the example as written; tuned is the same "
    "mathematics, executed by the plan that tune chose; native is the model without Keras. Lines at the ends of bars "
    "are intervals over the timed blocks.",
    "accuracy_over_time": "Validation accuracy over the seconds since the start of a run's process, with import, first "
    "step, training and validation. Thin lines are seeds, or a band is their range; the dashed line is the target.",
    "learning_curves": "Loss and top-5 accuracy after each epoch. Thin lines are seeds, or a band is their range; "
    "thick lines are their mean. Training values are taken while the weights change, with dropout and augmentation on.",
    "patches": "The first training image, of class {}, resized and cut into patches as for the Vision Transformer, "
    "without augmentation.",
    "timeline": "When each command ran, and on which backend.",
}


def build_comparison_figure(speeds: pd.DataFrame, names: tuple[str, str]) -> Figure:
    """The speeds of two experiments, as vitbench.compare.speeds has them."""
    caption = (
        "Ratio of the speeds of each measurement, with intervals over timed blocks. To the right of 1 the second "
        "experiment is faster."
    )
    return Figure(ratios, (speeds, names), caption)
