"""Images that need neither a file nor a network: real digits, and synthetic ones of any size."""

import numpy as np

from vitbench.config.dataset import Dataset, Synthetic

COARSE = 4  # cells of a class's pattern, in height and in width
NOISE, OF_ANOTHER_CLASS, SHIFT = 40.0, 0.6, 0.25  # grey levels; largest share mixed in; largest share of the image size
AT_ONCE, PIXELS_AT_ONCE = 1024, 1024 * 32 * 32  # images; fewer of them if they are larger than 32 × 32


def load_digits(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """scikit-learn's 1 797 handwritten digits, 8×8, 17 grey levels as 0–255 RGB; a stratified fifth for testing."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    grey, labels = load_digits(return_X_y=True)
    images = np.round(grey.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8).repeat(3, axis=-1)
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=360, stratify=labels, random_state=0)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}, [str(d) for d in range(10)]


def make_synthetic(dataset: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """Images that can be told apart, but not all of them; the same for the same settings.

    A class is a smooth pattern of random colours. An image is its class's pattern, shifted, with another class's mixed
    in and with noise.
    """
    settings = dataset.synthetic
    coarse = np.random.default_rng(0).uniform(0, 255, (settings.classes, COARSE, COARSE, 3))
    patterns = np.stack([_enlarged(pattern, settings.image_size) for pattern in coarse]).astype(np.float32)
    arrays, at_once = {}, max(1, min(AT_ONCE, PIXELS_AT_ONCE // settings.image_size**2))
    for split, (name, n) in enumerate((("train", settings.train_images), ("test", settings.test_images))):
        labels = np.random.default_rng([0, split]).permutation(np.arange(n) % settings.classes)
        images = np.empty((n, settings.image_size, settings.image_size, 3), np.uint8)
        for begin in range(0, n, at_once):
            chunk = labels[begin : begin + at_once]
            images[begin : begin + at_once] = _drawn(
                chunk, patterns, np.random.default_rng([0, split, begin]), settings
            )
        arrays[f"x_{name}"], arrays[f"y_{name}"] = images, labels
    return arrays, [f"class {label}" for label in range(settings.classes)]


def _drawn(labels: np.ndarray, patterns: np.ndarray, random: np.random.Generator, settings: Synthetic) -> np.ndarray:
    """uint8 (n, S, S, 3): one image of each label."""
    n, size = len(labels), settings.image_size
    other = (labels + random.integers(1, settings.classes, n)) % settings.classes
    share = random.uniform(0, OF_ANOTHER_CLASS, (n, 1, 1, 1)).astype(np.float32)
    furthest = max(1, round(size * SHIFT))
    rows, columns = (np.arange(size) + random.integers(-furthest, furthest + 1, (n, 1)) for _ in range(2))
    at = rows[:, :, None] % size, columns[:, None, :] % size
    images = (1 - share) * patterns[(labels[:, None, None], *at)] + share * patterns[(other[:, None, None], *at)]
    images += NOISE * random.standard_normal(images.shape, np.float32)
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def _enlarged(pattern: np.ndarray, size: int) -> np.ndarray:
    """float (size, size, 3): `pattern` (c, c, 3), whose edges meet, interpolated linearly along each axis."""
    position = np.arange(size) * len(pattern) / size
    low, weight = position.astype(int), position % 1
    high = (low + 1) % len(pattern)
    rows = pattern[low] * (1 - weight)[:, None, None] + pattern[high] * weight[:, None, None]
    return rows[:, low] * (1 - weight)[None, :, None] + rows[:, high] * weight[None, :, None]
