"""What is trained on every backend, and the same in float64 NumPy, written from the papers."""

import math

import numpy as np

from vitbench.config.training import Training

RANDOM = np.random.default_rng(11)
CLASSES, BATCH, SEED, EPOCHS, RATE = 3, 8, 3, 3, 0.5
IMAGES = RANDOM.integers(0, 256, (30, 4, 4, 3), np.uint8)
LABELS = RANDOM.integers(0, CLASSES, 30).astype(np.int32)

OPTIMIZED_IMAGES, STEPS_PER_EPOCH = 40, 3  # of 16: the last step of an epoch is smaller
START = RANDOM.normal(size=(3, 4)).astype(np.float32)
GRADIENTS = RANDOM.normal(size=(12, 3, 4)).astype(np.float32)
COSINE = {"name": "cosine", "warmup_epochs": 1, "final_fraction": 0.1}
LARGEST, DECAY = 0.01, 0.1


def _training(schedule: dict | None = None, **optimizer) -> Training:
    settings = {"learning_rate": LARGEST, "weight_decay": DECAY, **optimizer}
    return Training.model_validate(
        {"epochs": 4, "batch_size": 16, "optimizer": settings, "schedule": schedule or {"name": "constant"}}
    )


TRAININGS = {
    "adamw": _training(),
    "adamw, independent": _training(decay="independent"),
    "adamw, no decay": _training(weight_decay=0.0),
    "adamw, cosine": _training(COSINE),
    "adamw, cosine, independent": _training(COSINE, decay="independent"),
    "adamw, warm-up": _training({"name": "constant", "warmup_epochs": 2}),
    "sgd": _training(name="sgd"),
    "sgd, independent": _training(name="sgd", decay="independent"),
    "lion": _training(name="lion"),
}


def rate(training: Training, step: int, steps_per_epoch: int = STEPS_PER_EPOCH) -> float:
    """Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, after a straight line from zero."""
    total, warmup = training.epochs * steps_per_epoch, round(training.schedule.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return training.optimizer.learning_rate * step / warmup
    if training.schedule.name == "constant":
        return training.optimizer.learning_rate
    done = (step - warmup) / (total - warmup)
    floor = training.schedule.final_fraction
    return training.optimizer.learning_rate * (floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2)


def path(training: Training) -> np.ndarray:
    """float64 (12, 3, 4): the weights after each gradient.

    AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, with Kingma & Ba's rearranged epsilon (1412.6980,
    end of section 2). SGD with Nesterov's momentum: Sutskever et al. 2013. Lion: Chen et al. 2023, arXiv:2302.06675.
    """
    settings, weights = training.optimizer, START.astype(np.float64)
    first, second, found = np.zeros_like(weights), np.zeros_like(weights), []
    for step, gradient in enumerate(GRADIENTS.astype(np.float64)):
        eta = rate(training, step)
        by = eta / settings.learning_rate if settings.decay == "independent" else eta
        weights = weights - by * settings.weight_decay * weights
        if settings.name == "adamw":
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            corrected = eta * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            weights = weights - corrected * first / (np.sqrt(second) + 1e-7)
        elif settings.name == "sgd":
            first = 0.9 * first - eta * gradient
            weights = weights + 0.9 * first - eta * gradient
        else:
            weights = weights - eta * np.sign(0.9 * first + 0.1 * gradient)
            first = 0.99 * first + 0.01 * gradient
        found.append(weights)
    return np.stack(found)


def fitted(orders: list[np.ndarray]) -> np.ndarray:
    """float64 (pixels, classes): the linear model after plain SGD on batches taken in these orders, one per epoch."""
    x, weights = IMAGES.reshape(len(IMAGES), -1) / 255, np.zeros((IMAGES[0].size, CLASSES))
    for epoch in orders:
        for begin in range(0, len(epoch), BATCH):
            batch = epoch[begin : begin + BATCH]
            scores = np.exp(x[batch] @ weights)
            scores /= scores.sum(axis=1, keepdims=True)
            scores[np.arange(len(batch)), LABELS[batch]] -= 1
            weights = weights - RATE * x[batch].T @ scores / len(batch)
    return weights
