"""Augments images on one backend in every execution, and reads from the result what was drawn."""

import numpy as np

from integration.augmentation_cases import COMPARED, PIXELS, SIZE
from integration.results import AugmentedImages
from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.backends.process import current_backend
from vitbench.config.models import Augmentation, ViT
from vitbench.models.registry import build_model
from vitbench.parity.augmentation import coordinate_images, read_draws
from vitbench.parity.quantities import run_augmentation

MANIFEST = {
    "image_shape": [SIZE, SIZE, 3],
    "class_names": ["a", "b"],
    "normalization": {"mean": [0.0] * 3, "variance": [1.0] * 3},
}


def augment() -> dict[str, AugmentedImages]:
    """The augmented images of each execution; of "stronger", with a tenth more rotation and a twentieth more zoom."""
    backend = current_backend()
    plans = {
        "published": PUBLISHED,
        # XLA rejects the operation that TensorFlow rotates with, and torch.compile takes too long.
        "compiled": Plan(jit_compile=backend.name == "jax"),
        "sampler": Plan(jit_compile=backend.name != "torch", augmentation="sampler"),
        "outside": Plan(jit_compile=False, augmentation="outside"),
    }
    images = {}
    for name, plan in plans.items():
        backend.set_seed(0)
        images[name] = augment_by_keras(plan, ViT(image_size=SIZE))
    if backend.has_native_vit:
        images["native"] = read_images(augment_natively(backend.name))
    stronger = ViT(image_size=SIZE, augmentation=Augmentation(rotation=0.022, zoom=0.21))
    images["stronger"] = augment_by_keras(PUBLISHED, stronger)
    return images


def augment_by_keras(plan: Plan, parameters: ViT) -> AugmentedImages:
    parts = build_model("vit", parameters, MANIFEST)
    return read_images(run_augmentation(parts, plan, PIXELS))


def augment_natively(backend: str) -> np.ndarray:
    """float32 (n, size, size, 3): the coordinate images, augmented by the model without Keras."""
    images, parameters = coordinate_images(PIXELS), ViT().augmentation
    if backend == "torch":
        import torch

        from vitbench.models.native import torch_vit

        torch.manual_seed(0)
        augmented = torch_vit.augment(torch.from_numpy(images).permute(0, 3, 1, 2), parameters)
        return augmented.permute(0, 2, 3, 1).numpy()
    if backend == "tensorflow":
        import tensorflow as tf

        from vitbench.models.native import tensorflow_vit

        return tensorflow_vit.augment(tf.constant(images), parameters).numpy()
    import jax

    from vitbench.models.native import jax_vit

    keys = jax_vit.Keys(jax.random.key(0))
    return np.asarray(jax_vit.augment(jax.numpy.asarray(images), parameters, keys))


def read_images(augmented: np.ndarray) -> AugmentedImages:
    return AugmentedImages(read_draws(augmented), augmented[:COMPARED, :, :, 2])
