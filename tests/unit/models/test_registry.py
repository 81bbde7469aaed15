import ast
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.config.models import Augmentation, ResNet50V2, ViT
from vitbench.execution.assemble import assemble
from vitbench.execution.audit import audit_model
from vitbench.models import registry, vit
from vitbench.models.registry import build_model
from vitbench.models.vit import Patches

CIFAR100 = {
    "image_shape": [32, 32, 3],
    "class_names": [str(i) for i in range(100)],
    "normalization": {"mean": [120.0, 118.0, 110.0], "variance": [4000.0, 3900.0, 4100.0]},
}
SMALL = ViT(image_size=12, patch_size=6, projection_dim=8, num_heads=2, layers=1, block_units=[16, 8], head_units=[8])


def test_the_full_size_vit_has_the_examples_number_of_weights():
    model = vit.build(ViT(), classes=100)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 21_759_012
    assert model.output_shape == (None, 100)


def test_resnet50v2_has_the_published_number_of_weights_for_its_classes():
    parts = build_model("resnet50v2", ResNet50V2(), CIFAR100)
    published_without_top = 23_564_800
    assert parts.classifier.count_params() == published_without_top + 2048 * 100 + 100


def test_patches_are_cut_row_by_row():
    images = np.arange(2 * 4 * 6 * 3, dtype="float32").reshape(2, 4, 6, 3)
    patches = np.asarray(Patches(2)(images))
    assert patches.shape == (2, 6, 12)
    np.testing.assert_array_equal(patches[1, 4], images[1, 2:4, 2:4].ravel())  # second row of patches, second column


@pytest.mark.parametrize("pooling", ["flatten", "average"])
def test_a_saved_model_comes_back_the_same(tmp_path, pooling):
    model = vit.build(SMALL.model_copy(update={"pooling": pooling}), classes=5)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(3, 12, 12, 3)).astype("float32")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(images, verbose=0), model.predict(images, verbose=0), rtol=1e-6)


def test_raw_images_are_normalised_then_resized():
    parts = build_model("vit", SMALL, CIFAR100)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    x = images
    for layer in parts.preprocessing:
        x = layer(x)
    mean, variance = (np.array(CIFAR100["normalization"][k]) for k in ("mean", "variance"))
    expected = keras.layers.Resizing(12, 12)((images - mean) / np.sqrt(variance))
    np.testing.assert_allclose(np.asarray(x), np.asarray(expected), atol=1e-5)


def test_augmentation_changes_training_images_and_no_others():
    parts = build_model("vit", SMALL, CIFAR100)
    assert [layer.name for layer in parts.augmentation] == ["flip", "rotation", "zoom"]
    images = np.random.default_rng(0).normal(size=(4, 12, 12, 3)).astype("float32")
    for layer in parts.augmentation:
        np.testing.assert_array_equal(np.asarray(layer(images, training=False)), images)
    assert not np.array_equal(np.asarray(parts.augmentation[1](images, training=True)), images)
    still = SMALL.model_copy(update={"augmentation": Augmentation(horizontal_flip=False, rotation=0, zoom=0)})
    assert build_model("vit", still, CIFAR100).augmentation == []


def test_the_published_graph_runs_without_jit_and_a_plan_can_overrule_that():
    def resolved(plan: Plan) -> bool:
        parts = build_model("vit", SMALL, CIFAR100)
        return audit_model(assemble(parts, plan, keras.optimizers.SGD()))["jit_compile_resolved"]

    assert not resolved(PUBLISHED)
    assert resolved(Plan(jit_compile=True))
    assert not resolved(Plan(jit_compile=False))


def test_both_executions_compute_the_same_from_the_same_weights():
    parts = build_model("vit", SMALL, CIFAR100)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    logits = [
        assemble(parts, plan, keras.optimizers.SGD()).predict(images, verbose=0) for plan in (PUBLISHED, Plan(True))
    ]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)


def test_models_are_built_from_keras_alone():
    allowed = {"keras", "numpy", "vitbench", *sys.stdlib_module_names}
    for path in Path(registry.__file__).parent.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        imported += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
        assert {name.split(".")[0] for name in imported} <= allowed, path
