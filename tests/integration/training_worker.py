"""What training does on one backend: KERAS_BACKEND=… python -m integration.training_worker FOLDER"""

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from integration import training_cases as cases
from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.backends.process import current_backend
from vitbench.data.batches import Batches, EpochOrder
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.training.optimizers import build_optimizer


class Recorded(Batches):
    """Notes what is handed out, in which epoch, as digests."""

    def __init__(self, *arguments, **keywords):
        self.digests: list[tuple[int, int, str]] = []
        super().__init__(*arguments, **keywords)

    def __getitem__(self, step: int):
        images, labels = super().__getitem__(step)
        self.digests.append((self.epoch, step, hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()))
        return images, labels


class Rates(keras.callbacks.Callback):
    """The learning rate at the end of each epoch, as the step train reads it."""

    def __init__(self):
        super().__init__()
        self.rates: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def linear_model() -> keras.Model:
    """One weight per pixel and class and a constant start, so that NumPy can follow it."""
    images = keras.Input(cases.IMAGES.shape[1:])
    x = keras.layers.Rescaling(1 / 255)(images)
    logits = keras.layers.Dense(cases.CLASSES, use_bias=False, kernel_initializer="zeros")(keras.layers.Flatten()(x))
    return keras.Model(images, logits)


def otherwise(backend: str) -> dict[str, Plan]:
    """Plans that draw the batches, or go through them, in another way than the example."""
    changes = current_backend().plan_variations(augmented=False)
    return {"fed otherwise" if "input_pipeline" in c else "several at once": replace(PUBLISHED, **c) for c in changes}


def main(folder: Path, backend: str) -> None:
    found = {}
    batches = Recorded(cases.IMAGES, cases.LABELS, cases.BATCH, seed=cases.SEED)
    model = linear_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(cases.RATE), loss)
    model.fit(batches, epochs=cases.EPOCHS, shuffle=False, verbose=0, callbacks=[EpochOrder(batches)])
    found["weights"] = model.get_weights()[0]
    asked_for = dict.fromkeys(batches.digests)  # each once: Keras asks for the first ones again to learn their shapes
    found["digests"] = np.array([f"{epoch} {step} {digest}" for epoch, step, digest in asked_for])

    for name, plan in otherwise(backend).items():
        batches = build_input_pipeline(Batches(cases.IMAGES, cases.LABELS, cases.BATCH, seed=cases.SEED), plan, None)
        model = linear_model()
        model.compile(keras.optimizers.SGD(cases.RATE), loss, steps_per_execution=plan.steps_per_execution)
        model.fit(batches.fit_input(), epochs=cases.EPOCHS, shuffle=False, verbose=0, callbacks=[EpochOrder(batches)])
        found[f"weights, {name}"] = model.get_weights()[0]

    for name, training in cases.TRAININGS.items():
        optimizer = build_optimizer(training, training.epochs, cases.OPTIMIZED_IMAGES)
        variable = keras.Variable(cases.START)
        optimizer.build([variable])
        path, rates = [], []
        for gradient in cases.GRADIENTS:
            rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
            path.append(keras.ops.convert_to_numpy(variable))
        found[f"{name}, weights"], found[f"{name}, rates"] = np.stack(path), np.array(rates)

    training = cases.TRAININGS["adamw, cosine"]
    model, rates = linear_model(), Rates()
    model.compile(build_optimizer(training, training.epochs, len(cases.IMAGES)), loss)
    batches = Batches(cases.IMAGES, cases.LABELS, training.batch_size, seed=0)
    model.fit(batches, epochs=training.epochs, shuffle=False, verbose=0, callbacks=[rates])
    found["rates by epoch"] = np.array(rates.rates)
    np.savez(folder / f"{backend}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), os.environ["KERAS_BACKEND"])
