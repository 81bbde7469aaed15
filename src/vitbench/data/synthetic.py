"""Images that need neither a file nor a network: real handwritten digits, and synthetic images of any size."""

import numpy as np

from vitbench.config.dataset import Dataset, Synthetic

PATTERN_CELLS = 4  # of a class's pattern, along each axis
NOISE = 40.0  # standard deviation, grey levels
MAX_MIXED_SHARE = 0.6  # of another class's pattern in an image
MAX_SHIFT = 0.25  # of a pattern, as a share of the image size
CHUNK_IMAGES = 1024  # drawn at once; fewer if they are larger than 32 × 32
CHUNK_PIXELS = CHUNK_IMAGES * 32 * 32


def load_digits(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """The 1,797 handwritten digits of scikit-learn, 8 × 8 pixels; 360 of them, stratified, are the test images.

    Their 17 grey levels are scaled to 0–255 and repeated in three channels.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    grey, labels = load_digits(return_X_y=True)
    images = np.round(grey.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8).repeat(3, axis=-1)
    split = train_test_split(images, labels, test_size=360, stratify=labels, random_state=0)
    x_train, x_test, y_train, y_test = map(np.asarray, split)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    return arrays, [str(digit) for digit in range(10)]


def make_synthetic(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """Images whose classes a model can learn to tell apart, though not perfectly.

    The same settings give the same images.

    A class is a smooth pattern of random colours. An image is the pattern of its class, shifted, mixed with the pattern
    of another class, with noise added.
    """
    settings = dataset.synthetic
    size = settings.image_size
    coarse = np.random.default_rng(0).uniform(0, 255, (settings.classes, PATTERN_CELLS, PATTERN_CELLS, 3))
    patterns = np.stack([_enlarge(pattern, size) for pattern in coarse]).astype(np.float32)
    chunk_size = max(1, min(CHUNK_IMAGES, CHUNK_PIXELS // size**2))
    arrays = {}
    for split, (name, n) in enumerate((("train", settings.train_images), ("test", settings.test_images))):
        labels = np.random.default_rng([0, split]).permutation(np.arange(n) % settings.classes)
        images = np.empty((n, size, size, 3), np.uint8)
        for start in range(0, n, chunk_size):
            stop = start + chunk_size
            random = np.random.default_rng([0, split, start])
            images[start:stop] = _draw_images(labels[start:stop], patterns, random, settings)
        arrays[f"x_{name}"], arrays[f"y_{name}"] = images, labels
    return arrays, [f"class {label}" for label in range(settings.classes)]


def _draw_images(
    labels: np.ndarray, patterns: np.ndarray, random: np.random.Generator, settings: Synthetic
) -> np.ndarray:
    """uint8 (n, S, S, 3): one image for each label."""
    n, size = len(labels), settings.image_size
    other = (labels + random.integers(1, settings.classes, n)) % settings.classes
    share = random.uniform(0, MAX_MIXED_SHARE, (n, 1, 1, 1)).astype(np.float32)
    max_shift = max(1, round(size * MAX_SHIFT))
    rows, columns = (np.arange(size) + random.integers(-max_shift, max_shift + 1, (n, 1)) for _ in range(2))
    pixels = rows[:, :, None] % size, columns[:, None, :] % size
    images = (1 - share) * patterns[(labels[:, None, None], *pixels)] + share * patterns[
        (other[:, None, None], *pixels)
    ]
    images += NOISE * random.standard_normal(images.shape, np.float32)
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def _enlarge(pattern: np.ndarray, size: int) -> np.ndarray:
    """float (size, size, 3): `pattern` (c, c, 3), interpolated linearly along each axis; opposite edges meet."""
    position = np.arange(size) * len(pattern) / size
    low, weight = position.astype(int), position % 1
    high = (low + 1) % len(pattern)
    rows = pattern[low] * (1 - weight)[:, None, None] + pattern[high] * weight[:, None, None]
    return rows[:, low] * (1 - weight)[None, :, None] + rows[:, high] * weight[None, :, None]
