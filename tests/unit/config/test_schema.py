import json
from pathlib import Path

import pytest

from vitbench.backends.registry import BACKENDS
from vitbench.config.loading import load_config, parse_config
from vitbench.config.schema import Config

REPOSITORY = Path(__file__).parents[3]


def test_the_defaults_are_those_of_the_example():
    config = parse_config({})
    vit, training = config.models.vit, config.training
    assert (vit.image_size, vit.patch_size, vit.projection_dim, vit.num_heads, vit.layers) == (72, 6, 64, 4, 8)
    assert (vit.block_units, vit.head_units) == ([128, 64], [2048, 1024])
    assert (vit.attention_dropout, vit.mlp_dropout, vit.head_dropout, vit.epsilon) == (0.1, 0.1, 0.5, 1e-6)
    assert (vit.pooling, vit.patches) == ("flatten", 144)
    augmentation = vit.augmentation
    assert (augmentation.horizontal_flip, augmentation.rotation, augmentation.zoom) == (True, 0.02, 0.2)
    assert (training.epochs, training.batch_size) == (100, 256)
    assert (training.optimizer.learning_rate, training.optimizer.weight_decay) == (1e-3, 1e-4)
    assert (config.dataset.source, config.dataset.name, config.dataset.validation_fraction) == (
        "keras",
        "cifar100",
        0.1,
    )


def test_the_published_config_equals_the_defaults():
    assert load_config([REPOSITORY / "config.yaml"]) == Config()


def test_the_relevant_settings_of_a_step_change_only_if_its_result_can():
    base = parse_config({})
    title = parse_config({"report": {"title": "New"}})
    rate = parse_config({"training": {"optimizer": {"learning_rate": 0.5}}})
    epochs = parse_config({"baseline": {"epochs": 7}})
    for step in ("data", "init", "tune", "parity", "train", "throughput"):
        model = None if step == "data" else "vit"
        assert title.relevant_settings(step, model) == base.relevant_settings(step, model)
        assert epochs.relevant_settings(step, model) == base.relevant_settings(step, model)
    assert rate.relevant_settings("train", "vit") != base.relevant_settings("train", "vit")
    assert rate.relevant_settings("init", "vit") == base.relevant_settings("init", "vit")
    assert epochs.relevant_settings("train", "resnet50v2") != base.relevant_settings("train", "resnet50v2")


def test_model_backends_are_every_model_on_each_of_its_backends():
    config = parse_config({"baseline": {"backends": ["torch"], "seeds": [5]}})
    assert config.model_backends() == [("vit", b) for b in BACKENDS] + [("resnet50v2", "torch")]
    assert (config.model_seeds("vit"), config.model_seeds("resnet50v2")) == ([0, 1, 2], [5])
    assert (config.reference_backend("vit"), config.reference_backend("resnet50v2")) == ("jax", "jax")


@pytest.mark.parametrize(
    ("settings", "models"),
    [
        ({"baseline": None}, ["vit"]),
        ({"baseline": None, "models": {"resnet50v2": {"image_size": 48}}}, ["vit"]),
        ({"baseline": None, "models": {"own": {"builder": "nets:build"}}}, ["vit", "own"]),
        ({"baseline": None, "models": {"vit": None}}, ["resnet50v2"]),
        ({"baseline": {"model": "vit"}}, ["vit", "resnet50v2"]),
    ],
)
def test_without_a_baseline_its_model_takes_part_only_if_it_is_alone(settings, models):
    config = parse_config(settings)
    assert list(config.models.parameters()) == list(dict(config.model_backends())) == models
    assert parse_config(config.model_dump(mode="json")) == config


def test_a_baseline_on_every_backend_takes_part_like_the_other_models():
    config = parse_config({"baseline": {"backends": list(BACKENDS)}})
    assert config.model_backends() == [(model, b) for model in ("vit", "resnet50v2") for b in BACKENDS]
    assert config.model_seeds("resnet50v2") == config.model_seeds("vit")


def test_a_model_with_one_backend_is_compared_with_another_backend_if_there_is_one():
    config = parse_config({"baseline": {"backends": ["jax"]}, "backends": ["torch", "tensorflow", "jax"]})
    assert (config.reference_backend("vit"), config.reference_backend("resnet50v2")) == ("jax", "torch")
    config = parse_config({"baseline": {"backends": ["jax"]}, "backends": ["jax"]})
    assert config.reference_backend("resnet50v2") == "jax"


def test_the_accelerator_cpu_selects_the_environments_without_cuda():
    assert Config().environment("torch") == "torch"
    assert Config(accelerator="cpu").environment("torch") == "torch-cpu"


def test_the_required_environments_are_those_that_every_configuration_needs():
    assert Config(backends=["torch", "jax"], baseline=None).required_environments() == {"report", "torch", "jax"}
    assert Config(backends=["jax", "torch"], accelerator="cpu").required_environments() == {"report", "jax-cpu"}
    two_references = Config(backends=["torch", "jax"], baseline={"backends": ["tensorflow", "torch"]})
    assert two_references.required_environments() == {"report", "torch"}
    assert Config(backends=["jax"], baseline=None).required_environments() == {"report", "jax"}


def test_a_custom_model_is_added_to_the_built_in_models():
    config = parse_config({"models": {"own": {"builder": "nets.small:build", "options": {"width": 4}}}})
    assert list(config.models.parameters()) == ["vit", "resnet50v2", "own"]
    assert ("own", "torch") in config.model_backends()
    assert config.custom_modules("own") == ["nets.small"] and config.custom_modules("vit") == []
    assert json.loads(config.relevant_settings("train", "own"))["model"]["options"] == {"width": 4}


def test_a_sample_does_not_depend_on_the_number_of_epochs():
    ten, twenty = (parse_config({"training": {"epochs": n}}) for n in (10, 20))
    assert ten.relevant_settings("sample", "vit") == twenty.relevant_settings("sample", "vit")
    assert ten.relevant_settings("train", "vit") != twenty.relevant_settings("train", "vit")
