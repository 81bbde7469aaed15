"""What the report draws: each figure under its name, with the caption that says what is to be seen."""

import pandas as pd

from vitbench.analysis.load import LoadedResults
from vitbench.analysis.time_to_accuracy import add_wall_seconds, target_accuracies
from vitbench.report.figures.bars import accuracy, ratios, throughput
from vitbench.report.figures.curves import accuracy_over_time, learning_curves, timeline
from vitbench.report.figures.images import patches
from vitbench.report.html import Figure

NAMES = ("accuracy", "throughput", "accuracy_over_time", "learning_curves", "patches", "timeline")


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
    "accuracy": "Accuracy on the test images, of the weights with the best validation accuracy. One point per seed; "
    "the bar is their mean. Each model has an axis of its own, which does not start at zero.",
    "throughput": "Images per second in steady state, on nothing but steps. Published is the example's graph as "
    "written; tuned is the same mathematics, executed as the step tune chose; native does without Keras. Lines at the "
    "ends of bars are intervals over the timed blocks.",
    "accuracy_over_time": "Validation accuracy over the seconds since the process of a run began: import, first step, "
    "training and validation. Thin lines are seeds, or a band their range; the dashed line is the target.",
    "learning_curves": "Loss and top-5 accuracy after each epoch. Thin lines are seeds, or a band their range; thick "
    "ones are their mean. Training values are taken while weights change, with dropout and augmentation on.",
    "patches": "The first training image, class {}, at the size and in the patches that the Vision Transformer sees; "
    "augmentation left out.",
    "timeline": "When each command ran, and with which backend.",
}


def build_comparison_figure(speeds: pd.DataFrame, names: tuple[str, str]) -> Figure:
    """The speeds of two experiments, as vitbench.compare.speeds has them."""
    caption = (
        "How many times as fast each measurement is, with intervals over timed blocks. To the right of 1 the second "
        "experiment is faster."
    )
    return Figure(ratios, (speeds, names), caption)
