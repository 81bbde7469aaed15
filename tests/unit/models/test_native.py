import keras
import numpy as np
import pytest

from vitbench.config.models import ViT
from vitbench.models.native.registry import NATIVE_VITS, Settings, build_native
from vitbench.models.registry import ModelParts, build_model

NORMALIZATION = {"mean": [120.0, 118.0, 110.0], "variance": [4000.0, 3900.0, 4100.0]}
MANIFEST = {"image_shape": [8, 8, 3], "class_names": ["a", "b", "c"], "normalization": NORMALIZATION}
SMALL = ViT(
    image_size=12,
    projection_dim=8,
    num_heads=2,
    layers=1,
    block_units=[16, 8],
    head_units=[8],
    attention_dropout=0,
    mlp_dropout=0,
    head_dropout=0,
    augmentation=None,
)
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (4, 8, 8, 3), np.uint8)
LABELS = np.array([0, 1, 2, 0], np.int32)


@pytest.fixture(scope="module")
def parts() -> ModelParts:
    return build_model("vit", SMALL, MANIFEST)


def build(parts: ModelParts, **settings):
    chosen = {"learning_rate": 1e-3, "weight_decay": 1e-4} | settings
    return build_native("jax", SMALL, NORMALIZATION, parts.trainable_weights(), Settings(**chosen))


def test_it_computes_the_logits_of_the_keras_model(parts):
    x = IMAGES
    for layer in parts.preprocessing:
        x = layer(x)
    expected = keras.ops.convert_to_numpy(parts.classifier(x, training=False))
    logits = build(parts).infer(IMAGES)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_gradients_have_the_paths_and_shapes_of_the_keras_weights(parts):
    gradients = build(parts).gradients(IMAGES, LABELS)
    assert {name: value.shape for name, value in gradients.items()} == {
        name: value.shape for name, value in parts.trainable_weights().items()
    }


def test_training_lowers_the_loss_from_arrays_on_the_host_or_the_device(parts):
    model = build(parts, learning_rate=1e-2)
    placed = model.place(IMAGES, LABELS)
    losses = [float(model.train(*batch)) for batch in [(IMAGES, LABELS), placed] * 5]
    assert losses[-1] < losses[0]


def test_inference_follows_training_and_two_models_share_nothing(parts):
    first, second = build(parts), build(parts)
    before = second.infer(IMAGES)
    first.train(IMAGES, LABELS)
    assert not np.allclose(first.infer(IMAGES), before)
    np.testing.assert_array_equal(second.infer(IMAGES), before)


def test_a_backend_without_a_native_model_is_named():
    with pytest.raises(ValueError, match=f"unknown has no native .* only {', '.join(NATIVE_VITS)} have one"):
        build_native("unknown", SMALL, NORMALIZATION, {}, Settings(1e-3, 1e-4))
