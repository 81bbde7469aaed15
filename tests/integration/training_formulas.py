"""What is trained on every backend, and the same in float64 NumPy, written from the papers."""

import math

import numpy as np

from vitbench.config.training import Training

RANDOM = np.random.default_rng(11)

# A linear model, trained with plain SGD.
CLASSES, BATCH_SIZE, SEED, EPOCHS, RATE = 3, 8, 3, 3, 0.5
IMAGES = RANDOM.integers(0, 256, (30, 4, 4, 3), np.uint8)
LABELS = RANDOM.integers(0, CLASSES, 30).astype(np.int32)

# One weight array, to which each optimiser applies the same gradients.
OPTIMIZED_IMAGES, STEPS_PER_EPOCH = 40, 3  # of 16 images; the last step of an epoch has 8
START = RANDOM.normal(size=(3, 4)).astype(np.float32)
GRADIENTS = RANDOM.normal(size=(12, 3, 4)).astype(np.float32)
COSINE = {"name": "cosine", "warmup_epochs": 1, "final_fraction": 0.1}
LEARNING_RATE, WEIGHT_DECAY = 0.01, 0.1


def _training(schedule: dict | None = None, **optimizer) -> Training:
    settings = {"learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY} | optimizer
    schedule = schedule or {"name": "constant"}
    return Training.model_validate({"epochs": 4, "batch_size": 16, "optimizer": settings, "schedule": schedule})


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


def learning_rate(training: Training, step: int, steps_per_epoch: int = STEPS_PER_EPOCH) -> float:
    """The learning rate of a step.

    Cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, after a linear warm-up from zero.
    """
    total, warmup = training.epochs * steps_per_epoch, round(training.schedule.warmup_epochs * steps_per_epoch)
    highest = training.optimizer.learning_rate
    if step < warmup:
        return highest * step / warmup
    if training.schedule.name == "constant":
        return highest
    progress = (step - warmup) / (total - warmup)
    lowest = training.schedule.final_fraction
    return highest * (lowest + (1 - lowest) * (1 + math.cos(math.pi * progress)) / 2)


def weights_after_each_gradient(training: Training) -> np.ndarray:
    """float64 (12, 3, 4).

    AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, with Kingma & Ba's rearranged epsilon (1412.6980,
    end of section 2). SGD with Nesterov's momentum: Sutskever et al. 2013. Lion: Chen et al. 2023, arXiv:2302.06675.
    """
    settings, weights = training.optimizer, START.astype(np.float64)
    first, second, path = np.zeros_like(weights), np.zeros_like(weights), []
    for step, gradient in enumerate(GRADIENTS.astype(np.float64)):
        rate = learning_rate(training, step)
        decay_rate = rate / settings.learning_rate if settings.decay == "independent" else rate
        weights = weights - decay_rate * settings.weight_decay * weights
        if settings.name == "adamw":
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            corrected = rate * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            weights = weights - corrected * first / (np.sqrt(second) + 1e-7)
        elif settings.name == "sgd":
            first = 0.9 * first - rate * gradient
            weights = weights + 0.9 * first - rate * gradient
        else:
            weights = weights - rate * np.sign(0.9 * first + 0.1 * gradient)
            first = 0.99 * first + 0.01 * gradient
        path.append(weights)
    return np.stack(path)


def fit_linear_model(orders: list[np.ndarray]) -> np.ndarray:
    """float64 (pixels, classes): the linear model after SGD. orders: the order of the images in each epoch."""
    x, weights = IMAGES.reshape(len(IMAGES), -1) / 255, np.zeros((IMAGES[0].size, CLASSES))
    for order in orders:
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            probabilities = np.exp(x[batch] @ weights)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            probabilities[np.arange(len(batch)), LABELS[batch]] -= 1  # now the gradient of the logits
            weights = weights - RATE * x[batch].T @ probabilities / len(batch)
    return weights
