"""The optimiser and its learning rate, from the config."""

import math

import keras

from vitbench.config.training import Optimizer, Schedule, Training

MOMENTUM = 0.9  # of SGD


def build_optimizer(training: Training, epochs: int, images: int) -> keras.optimizers.Optimizer:
    """The optimiser for `epochs` passes over `images` training images."""
    steps = math.ceil(images / training.batch_size)
    learning_rate = build_learning_rate(training.optimizer.learning_rate, training.schedule, epochs, steps)
    decay = keras_weight_decay(training.optimizer)
    if training.optimizer.name == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)
    if training.optimizer.name == "lion":
        return keras.optimizers.Lion(learning_rate, weight_decay=decay)
    return keras.optimizers.AdamW(learning_rate, weight_decay=decay)


def build_learning_rate(
    largest: float, schedule: Schedule, epochs: int, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """A number, or a schedule over epochs · steps_per_epoch steps.

    In step t of T, of which w are warm-up steps: largest · t / w while t < w; then
    largest · (f + (1 − f) · (1 + cos(π · (t − w) / (T − w))) / 2), where f is 1 for a constant schedule
    (Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5).
    """
    if schedule.name == "constant" and not schedule.warmup_epochs:
        return largest
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else largest,
        decay_steps=epochs * steps_per_epoch - warmup,
        alpha=1.0 if schedule.name == "constant" else schedule.final_fraction,
        warmup_target=largest if warmup else None,
        warmup_steps=warmup,
    )


def keras_weight_decay(optimizer: Optimizer) -> float:
    """The argument `weight_decay` for Keras, which takes learning rate · weight_decay off each weight per step.

    With schedule multiplier η and largest learning rate α the learning rate is η · α. Decay `independent` is η · λ
    (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2), so Keras gets λ / α.
    """
    if optimizer.decay == "independent":
        return optimizer.weight_decay / optimizer.learning_rate
    return optimizer.weight_decay
