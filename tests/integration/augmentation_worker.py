"""What is drawn, and made of pixels, on a backend: KERAS_BACKEND=… python -m integration.augmentation_worker FOLDER"""

import os
import sys
from pathlib import Path

import keras
import numpy as np

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.backends.process import start_backend
from vitbench.config.models import Augmentation, ViT
from vitbench.models.registry import build_model
from vitbench.parity.augmentation import coordinate_images, read_draws
from vitbench.parity.quantities import run_augmentation

BACKEND = os.environ["KERAS_BACKEND"]
SIZE, DRAWS, COMPARED = 24, 3000, 100
# XLA refuses TensorFlow's op for a rotation, and torch's compiler takes too long.
PLANS = {
    "published": PUBLISHED,
    "compiled": Plan(jit_compile=BACKEND == "jax"),
    "sampler": Plan(jit_compile=BACKEND != "torch", augmentation="sampler"),
    "outside": Plan(jit_compile=False, augmentation="outside"),
}
PIXELS = np.random.default_rng(0).uniform(0, 255, (DRAWS, SIZE, SIZE))
MANIFEST = {
    **{"image_shape": [SIZE, SIZE, 3], "class_names": ["a", "b"]},
    "normalization": {"mean": [0.0] * 3, "variance": [1.0] * 3},
}


def main(folder: Path) -> None:
    found = {"original": PIXELS[:COMPARED]}
    for name, plan in PLANS.items():
        keras.utils.set_random_seed(0)
        found |= {f"{name} {key}": value for key, value in seen(plan, ViT(image_size=SIZE)).items()}
    if BACKEND != "tensorflow":
        found |= {f"native {key}": value for key, value in read(by_native()).items()}
    stronger = ViT(image_size=SIZE, augmentation=Augmentation(rotation=0.022, zoom=0.21))
    found |= {f"stronger {key}": value for key, value in seen(PUBLISHED, stronger).items()}
    np.savez(folder / f"{BACKEND}.npz", **found)


def seen(plan: Plan, parameters: ViT) -> dict[str, np.ndarray]:
    parts = build_model("vit", parameters, MANIFEST)
    return read(run_augmentation(parts, plan, PIXELS))


def by_native() -> np.ndarray:
    """What the model without Keras makes of the marked images."""
    images, parameters = coordinate_images(PIXELS), ViT().augmentation
    if BACKEND == "torch":
        import torch

        from vitbench.models.native import torch_vit

        torch.manual_seed(0)
        images = torch_vit.augment(torch.from_numpy(images).permute(0, 3, 1, 2), parameters)
        return images.permute(0, 2, 3, 1).numpy()
    import jax

    from vitbench.models.native import jax_vit
    from vitbench.models.native.jax_vit import Keys

    return np.asarray(jax_vit.augment(jax.numpy.asarray(images), parameters, Keys(jax.random.key(0))))


def read(pixels: np.ndarray) -> dict[str, np.ndarray]:
    draws = read_draws(pixels)
    few = {"pixels": pixels[:COMPARED, :, :, 2]}
    return few | {
        "flips": draws.flips,
        "angles": draws.angles,
        "heights": draws.zooms[:, 0],
        "widths": draws.zooms[:, 1],
    }


if __name__ == "__main__":
    start_backend(BACKEND, "float32", "cpu")
    main(Path(sys.argv[1]))
