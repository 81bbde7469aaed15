import keras
import numpy as np
import pytest

from vitbench.backends.plan import PUBLISHED, Plan
from vitbench.config.models import ViT
from vitbench.execution.assemble import assemble, resolve_plan
from vitbench.execution.audit import NotAsPlannedError, audit_model
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


def assemble_plan(parts: ModelParts, plan: Plan) -> keras.Model:
    return assemble(parts, plan, keras.optimizers.SGD())


def test_the_published_model_runs_without_jit_and_a_plan_can_overrule_that(parts):
    def is_compiled(plan: Plan) -> bool:
        return audit_model(assemble_plan(parts, plan))["jit_compile_resolved"]

    assert not is_compiled(PUBLISHED)
    assert is_compiled(Plan(jit_compile=True))
    assert not is_compiled(Plan(jit_compile=False))
    assert not is_compiled(PUBLISHED)  # the plan before left no trace in the parts


def test_the_layers_without_jit_support_are_listed(parts):
    assert assemble_plan(parts, PUBLISHED).layers_without_jit == ("rotation", "zoom")
    assert assemble_plan(parts, Plan(True, augmentation="sampler")).layers_without_jit == ()


def test_plans_compute_the_same_from_the_same_weights(parts):
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    plans = (PUBLISHED, Plan(True), Plan(True, augmentation="sampler"), Plan(True, augmentation="outside"))
    published, *others = (assemble_plan(parts, plan).predict(images, verbose=0) for plan in plans)
    for logits in others:
        np.testing.assert_allclose(logits, published, atol=1e-5)


def test_a_model_that_is_augmented_outside_takes_images_of_both_sizes(parts):
    model = assemble_plan(parts, Plan(False, augmentation="outside"))
    for size in (12, 32):
        images = keras.KerasTensor((2, size, size, 3))
        assert model.compute_output_spec(images).shape == (2, 100)


def test_logits_are_float32_at_every_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = assemble_plan(build_model("vit", SMALL, CIFAR100), PUBLISHED)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.output.dtype == "float32"
    assert model.layers[-2].compute_dtype == "bfloat16"


def test_top_5_accuracy_is_that_of_all_classes_if_there_are_fewer():
    three = CIFAR100 | {"class_names": ["a", "b", "c"]}
    model = assemble_plan(build_model("vit", SMALL, three), PUBLISHED)
    images, labels = np.zeros((4, 32, 32, 3), np.uint8), np.array([0, 1, 2, 0])
    assert model.evaluate(images, labels, verbose=0, return_dict=True)["top5_accuracy"] == 1


def test_jit_compile_that_keras_turns_off_is_an_error(parts, monkeypatch):
    compile_ = keras.Model.compile
    monkeypatch.setattr(
        keras.Model, "compile", lambda self, **options: compile_(self, **options | {"jit_compile": False})
    )
    with pytest.raises(NotAsPlannedError, match="Keras turned it off"):
        assemble_plan(parts, Plan(jit_compile=True))


def test_a_plan_is_resolved_to_what_decides_the_numbers_in_deterministic_mode(parts):
    assert resolve_plan(PUBLISHED, parts) == Plan(False)
    assert resolve_plan(Plan(True, "sampler", "device", 8), parts) == Plan(True)
    assert resolve_plan(Plan(True, "outside"), parts) == Plan(True, "outside")
    without = build_model("vit", SMALL.model_copy(update={"augmentation": None}), CIFAR100)
    assert resolve_plan(Plan(True, "outside"), without) == Plan(True)
    assert resolve_plan(PUBLISHED, without) == Plan(True)
