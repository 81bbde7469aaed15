import ast
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from vitbench.config.models import Augmentation, ResNet50V2, ViT
from vitbench.models import registry
from vitbench.models.registry import ModelParts, build_model

CIFAR100 = {
    "image_shape": [32, 32, 3],
    "class_names": [str(i) for i in range(100)],
    "normalization": {"mean": [120.0, 118.0, 110.0], "variance": [4000.0, 3900.0, 4100.0]},
}
SMALL = ViT(image_size=12, patch_size=6, projection_dim=8, num_heads=2, layers=1, block_units=[16, 8], head_units=[8])


@pytest.fixture(scope="module")
def parts() -> ModelParts:
    return build_model("vit", SMALL, CIFAR100)


def test_resnet50v2_has_the_published_number_of_weights_for_its_classes(zero_weights):
    resnet = build_model("resnet50v2", ResNet50V2(), CIFAR100)
    published_without_top = 23_564_800
    assert resnet.classifier.count_params() == published_without_top + 2048 * 100 + 100


def test_raw_images_are_normalised_then_resized(parts):
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    x = images
    for layer in parts.preprocessing:
        x = layer(x)
    mean, variance = (np.array(CIFAR100["normalization"][k]) for k in ("mean", "variance"))
    expected = keras.layers.Resizing(12, 12)((images - mean) / np.sqrt(variance))
    np.testing.assert_allclose(np.asarray(x), np.asarray(expected), atol=1e-5)


def test_augmentation_changes_images_only_in_training(parts):
    assert [layer.name for layer in parts.augmentation] == ["flip", "rotation", "zoom"]
    images = np.random.default_rng(0).normal(size=(4, 12, 12, 3)).astype("float32")
    for layer in parts.augmentation:
        np.testing.assert_array_equal(np.asarray(layer(images, training=False)), images)
    assert not np.array_equal(np.asarray(parts.augmentation[1](images, training=True)), images)


def test_each_augmentation_can_be_turned_off():
    off = SMALL.model_copy(update={"augmentation": Augmentation(horizontal_flip=False, rotation=0, zoom=0)})
    assert build_model("vit", off, CIFAR100).augmentation == []
    none = SMALL.model_copy(update={"augmentation": None})
    assert build_model("vit", none, CIFAR100).augmentation == []


def test_the_augmentation_can_be_built_again_with_the_same_settings(parts):
    layers = parts.build_augmentation()
    assert [layer.get_config() for layer in layers] == [layer.get_config() for layer in parts.augmentation]
    assert not any(new is old for new, old in zip(layers, parts.augmentation, strict=True))


def test_trainable_weights_are_copies_by_path(parts):
    weights = parts.trainable_weights()
    assert len(weights) == len(parts.classifier.trainable_weights)
    kernel = weights["logits/kernel"]
    kernel += 1
    assert not np.array_equal(kernel, parts.trainable_weights()["logits/kernel"])


def test_models_are_built_from_keras_alone():
    allowed = {"keras", "numpy", "vitbench", *sys.stdlib_module_names}
    for path in Path(registry.__file__).parent.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        imported += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
        assert {name.split(".")[0] for name in imported} <= allowed, path
