"""The images that every backend augments."""

import numpy as np

SIZE, IMAGES = 24, 3000
COMPARED = 100  # the first images, whose pixels are compared
PIXELS = np.random.default_rng(0).uniform(0, 255, (IMAGES, SIZE, SIZE))
