"""Trains a linear model and applies optimisers, on one backend."""

import hashlib
from dataclasses import replace

import keras
import numpy as np

from integration import training_formulas as formulas
from integration.results import OptimizerPath, RequestedBatch, TrainingResult
from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.backends.process import current_backend
from vitbench.config.training import Training
from vitbench.data.batches import Batches, EpochOrder
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.training.optimizers import build_optimizer


class RecordingBatches(Batches):
    """Records which batches are requested."""

    def __init__(self, *arguments, **keywords):
        self.requested: list[RequestedBatch] = []
        super().__init__(*arguments, **keywords)

    def __getitem__(self, step: int):
        images, labels = super().__getitem__(step)
        digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
        self.requested.append(RequestedBatch(self.epoch, step, digest))
        return images, labels


class LearningRates(keras.callbacks.Callback):
    """The learning rate at the end of each epoch, as the step train reads it."""

    def __init__(self):
        super().__init__()
        self.rates: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def train() -> TrainingResult:
    batches = RecordingBatches(formulas.IMAGES, formulas.LABELS, formulas.BATCH_SIZE, seed=formulas.SEED)
    weights = {"published": fit_linear_model(batches, PUBLISHED)}
    for change in current_backend().plan_variations(augmented=False):
        plan = replace(PUBLISHED, **change)
        batches_of_plan = Batches(formulas.IMAGES, formulas.LABELS, formulas.BATCH_SIZE, seed=formulas.SEED)
        weights[" and ".join(change)] = fit_linear_model(batches_of_plan, plan)
    return TrainingResult(
        batches=list(dict.fromkeys(batches.requested)),  # Keras asks for the first ones again to learn their shapes
        weights=weights,
        optimizers={name: follow_optimizer(training) for name, training in formulas.TRAININGS.items()},
        rates_by_epoch=rates_by_epoch(formulas.TRAININGS["adamw, cosine"]),
    )


def linear_model() -> keras.Model:
    """One weight per pixel and class and a constant start, so that NumPy can follow it."""
    images = keras.Input(formulas.IMAGES.shape[1:])
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Flatten()(x)
    logits = keras.layers.Dense(formulas.CLASSES, use_bias=False, kernel_initializer="zeros")(x)
    return keras.Model(images, logits)


def fit_linear_model(batches: Batches, plan: Plan) -> np.ndarray:
    """float32 (pixels, classes): the weights after training."""
    model, inputs = linear_model(), build_input_pipeline(batches, plan, None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(formulas.RATE), loss, steps_per_execution=plan.steps_per_execution)
    model.fit(inputs.fit_input(), epochs=formulas.EPOCHS, shuffle=False, verbose=0, callbacks=[EpochOrder(inputs)])
    return model.get_weights()[0]


def follow_optimizer(training: Training) -> OptimizerPath:
    optimizer = build_optimizer(training, training.epochs, formulas.OPTIMIZED_IMAGES)
    variable = keras.Variable(formulas.START)
    optimizer.build([variable])
    weights, rates = [], []
    for gradient in formulas.GRADIENTS:
        rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        weights.append(np.array(keras.ops.convert_to_numpy(variable)))
    return OptimizerPath(np.stack(weights), np.array(rates))


def rates_by_epoch(training: Training) -> list[float]:
    model, recorder = linear_model(), LearningRates()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(build_optimizer(training, training.epochs, len(formulas.IMAGES)), loss)
    batches = Batches(formulas.IMAGES, formulas.LABELS, training.batch_size, seed=0)
    model.fit(batches, epochs=training.epochs, shuffle=False, verbose=0, callbacks=[recorder])
    return recorder.rates
