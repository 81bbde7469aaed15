"""CIFAR-100 and CIFAR-10 from `keras.datasets`, and the names of their classes."""

import os
from pathlib import Path

import numpy as np

from vitbench.config.dataset import Dataset
from vitbench.data.arrays import DataError, error_text

# In the order of the labels (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images").
CLASS_NAMES = {
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck".split(),
    "cifar100": """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
        can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
        dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
        lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter
        palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road
        rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower
        sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
        willow_tree wolf woman worm
    """.split(),
}


def load_keras_dataset(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays and class names of `dataset.name`.

    Keras downloads the archive once into KERAS_HOME and verifies its SHA-256 at each call. Raises DataError.
    """
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, dataset.name).load_data()
    except Exception as error:
        archives = Path(os.environ.get("KERAS_HOME", "~/.keras"), "datasets")
        raise DataError(
            f"{dataset.name} could not be loaded: {error_text(error)}; run `snakemake data` once on a machine with a "
            f"network and copy its {archives}, or set KERAS_HOME to the folder that contains it"
        ) from error
    arrays = {"x_train": x_train, "y_train": y_train.ravel(), "x_test": x_test, "y_test": y_test.ravel()}
    return arrays, list(CLASS_NAMES[dataset.name])
