import keras
import numpy as np
import pytest

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.config.models import ViT
from vitbench.data.batches import Batches
from vitbench.models.registry import ModelParts, build_model
from vitbench.parity.native import without_randomness
from vitbench.parity.quantities import GradientRecorder, collect_quantities, make_deterministic, run_augmentation

MANIFEST = {
    "image_shape": [12, 12, 3],
    "class_names": ["a", "b", "c"],
    "normalization": {"mean": [120.0] * 3, "variance": [4000.0] * 3},
}
SMALL = ViT(image_size=12, patch_size=6, projection_dim=8, num_heads=2, layers=1, block_units=[16, 8], head_units=[8])
RANDOM = np.random.default_rng(0)
BATCHES = Batches(
    RANDOM.integers(0, 256, (12, 12, 12, 3), np.uint8), RANDOM.integers(0, 3, 12).astype(np.int32), 4, seed=0, steps=3
)


@pytest.fixture
def parts() -> ModelParts:
    keras.utils.set_random_seed(0)
    return build_model("vit", SMALL, MANIFEST)


def test_deterministic_parts_have_no_dropout_and_no_augmentation_but_all_layers(parts):
    layers = len(parts.classifier.layers)
    make_deterministic(parts)
    images = RANDOM.uniform(0, 255, (4, 12, 12, 3)).astype(np.float32)
    for layer in parts.augmentation:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(images, training=True)), images)
    trained, inferred = (
        keras.ops.convert_to_numpy(parts.classifier(images, training=training)) for training in (True, False)
    )
    np.testing.assert_array_equal(trained, inferred)
    assert len(parts.classifier.layers) == layers


def test_quantities_are_those_of_the_first_batch_and_the_losses_of_each_step(parts):
    paths = set(parts.trainable_weights())
    quantities = collect_quantities(make_deterministic(parts), Plan(jit_compile=True), BATCHES)
    gradients = {name.partition("/")[2] for name in quantities if name.startswith("gradient/")}
    assert gradients == paths
    assert set(quantities) == {f"gradient/{path}" for path in paths} | {"logits", "loss", "losses", "rounding"}
    assert quantities["logits"].shape == (4, 3) and quantities["logits"].dtype == np.float32
    assert quantities["losses"].shape == (3,) and quantities["loss"] == quantities["losses"][:1]
    assert 0 < quantities["rounding"][0] < 1e-4
    log_softmax = quantities["logits"] - np.log(np.exp(quantities["logits"]).sum(axis=1, keepdims=True))
    assert quantities["loss"][0] == pytest.approx(-log_softmax[range(4), BATCHES[0][1]].mean(), rel=1e-5)


def test_the_recorder_has_the_gradients_of_the_last_step():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    recorder = GradientRecorder(model)
    x, y = np.array([[1.0, 2.0]], np.float32), np.array([[1.0]], np.float32)
    model.train_on_batch(x, y)
    (gradient,) = recorder.gradients().values()
    np.testing.assert_allclose(gradient[:, 0], 2 * (3 - 1) * x[0])  # of (w · x − y)² with respect to w
    np.testing.assert_allclose(model.get_weights()[0], 1 - 0.1 * gradient, rtol=1e-6)


@pytest.mark.parametrize("plan", [PUBLISHED, Plan(True, augmentation="outside")])
def test_coordinate_images_pass_through_the_augmentation_of_a_plan(parts, plan):
    pixels = RANDOM.uniform(0, 255, (8, 12, 12))
    augmented = run_augmentation(parts, plan, pixels)
    assert augmented.shape == (8, 12, 12, 3) and augmented.dtype == np.float32
    assert np.abs(augmented[..., 2] - pixels).max() > 10


def test_a_native_model_is_compared_without_dropout_and_augmentation():
    p = without_randomness(ViT(attention_dropout=0.1, mlp_dropout=0.2, head_dropout=0.3))
    assert p.attention_dropout == p.mlp_dropout == p.head_dropout == 0 and p.augmentation is None
