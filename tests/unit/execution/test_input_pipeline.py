import numpy as np
import pytest

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.config.models import Augmentation, ViT
from vitbench.data.batches import Batches
from vitbench.execution.input_pipeline import AugmentedBatches, DeviceBatches, augment_images, build_input_pipeline
from vitbench.models.registry import ModelParts, build_model

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)
LABELS = np.arange(10, dtype=np.int32)
MANIFEST = {
    "image_shape": [8, 8, 3],
    "class_names": [str(i) for i in range(10)],
    "normalization": {"mean": [0.0] * 3, "variance": [1.0] * 3},
}


@pytest.fixture(scope="module")
def parts() -> ModelParts:
    return build_parts(Augmentation())


def build_parts(augmentation: Augmentation | None) -> ModelParts:
    tiny = {"image_size": 12, "projection_dim": 4, "num_heads": 1, "layers": 1, "block_units": [4], "head_units": [4]}
    return build_model("vit", ViT(**tiny, augmentation=augmentation), MANIFEST)


def build(parts: ModelParts, plan: Plan, steps: int | None = None) -> Batches:
    return build_input_pipeline(Batches(IMAGES, LABELS, 4, seed=3, steps=steps), plan, parts)


def test_the_published_plan_keeps_the_batches(parts):
    batches = Batches(IMAGES, LABELS, 4)
    assert build_input_pipeline(batches, PUBLISHED, parts) is batches


@pytest.mark.parametrize("steps", [None, 4])
@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        (Plan(True, input_pipeline="device"), DeviceBatches),
        (Plan(True, augmentation="outside"), AugmentedBatches),
    ],
)
def test_every_pipeline_makes_up_the_same_batches(parts, plan, kind, steps):
    expected, batches = build(parts, PUBLISHED, steps), build(parts, plan, steps)
    assert isinstance(batches, kind) and len(batches) == len(expected)
    for epoch in (0, 5):
        expected.begin_epoch(epoch)
        batches.begin_epoch(epoch)
        for step in range(len(batches)):
            np.testing.assert_array_equal(np.asarray(batches[step][1]), expected[step][1])


def test_images_on_the_device_are_the_raw_images(parts):
    expected, batches = build(parts, PUBLISHED), build(parts, Plan(True, input_pipeline="device"))
    np.testing.assert_array_equal(np.asarray(batches[1][0]), expected[1][0])


def test_seed_epoch_and_step_decide_the_augmentation(parts):
    plan = Plan(True, augmentation="outside")
    first, again = build(parts, plan), build(parts, plan)
    np.testing.assert_array_equal(first[1][0], again[1][0])
    again.begin_epoch(1)
    assert not np.array_equal(first[1][0], again[1][0])


def test_augmented_images_are_resized_float32(parts):
    images = augment_images(IMAGES, parts, np.random.default_rng(0))
    assert images.dtype == np.float32 and images.shape == (10, 12, 12, 3)
    assert images.min() >= 0 and images.max() <= 255


def test_without_augmentation_the_images_are_only_resized():
    images = augment_images(IMAGES, build_parts(None), np.random.default_rng(0))
    again = augment_images(IMAGES, build_parts(None), np.random.default_rng(1))
    np.testing.assert_array_equal(images, again)


def test_about_half_of_the_images_are_flipped():
    only_flip = build_parts(Augmentation(rotation=0, zoom=0))
    many = np.repeat(IMAGES[:1], 400, axis=0)
    images = augment_images(many, only_flip, np.random.default_rng(0))
    plain = augment_images(many[:1], build_parts(None), np.random.default_rng(0))[0]
    flipped = np.array([np.array_equal(image, plain[:, ::-1]) for image in images])
    unchanged = np.array([np.array_equal(image, plain) for image in images])
    assert np.all(flipped ^ unchanged) and 0.4 < flipped.mean() < 0.6
