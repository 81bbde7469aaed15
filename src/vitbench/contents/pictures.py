"""What the report draws: each figure under its name, with the caption that says what is to be seen."""

import pandas as pd

from vitbench import figures, target
from vitbench.evidence import Evidence
from vitbench.presentation import Picture

NAMES = ("accuracy", "throughput", "accuracy_over_time", "learning_curves", "patches", "timeline")


def pictures(found: Evidence) -> dict[str, Picture]:
    """A picture for each of `NAMES`."""
    timed = target.over_time(found.epochs, found.runs)
    targets = target.targets(timed, found.config.report.target_accuracy)
    image, class_name = found.sample or (None, None)
    drawn = {
        "accuracy": (figures.accuracy, found.runs),
        "throughput": (figures.throughput, found.throughput),
        "accuracy_over_time": (figures.accuracy_over_time, timed, targets),
        "learning_curves": (figures.learning_curves, found.epochs),
        "patches": (figures.patches, image, found.config),
        "timeline": (figures.timeline, found.jobs),
    }
    captions = _CAPTIONS | {"patches": _CAPTIONS["patches"].format(class_name)}
    return {name: Picture(draw, tuple(arguments), captions[name]) for name, (draw, *arguments) in drawn.items()}


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


def compared(speeds: pd.DataFrame, names: tuple[str, str]) -> Picture:
    """The speeds of two experiments, as vitbench.compare.speeds has them."""
    caption = (
        "How many times as fast each measurement is, with intervals over timed blocks. To the right of 1 the second "
        "experiment is faster."
    )
    return Picture(figures.ratios, (speeds, names), caption)
