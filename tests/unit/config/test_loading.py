"""What a config may say, and the error messages for what it may not."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from vitbench.config.loading import ConfigError, load_config, parse_config

REPOSITORY = Path(__file__).parents[3]


def message(values: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "key", "nearest"),
    [
        ({"bakends": ["jax"]}, "bakends", "'backends'"),
        ({"training": {"epoch": 3}}, "training.epoch", "'epochs'"),
        ({"training": {"optimizer": {"learningrate": 3}}}, "training.optimizer.learningrate", "'learning_rate'"),
        ({"models": {"vitt": {}}}, "vitt", "'vit'"),
        ({"models": {"vit": {"patchsize": 6}}}, "models.vit.patchsize", "'patch_size'"),
        ({"models": {"vit": {"augmentation": {"zooom": 0}}}}, "models.vit.augmentation.zooom", "'zoom'"),
        ({"baseline": {"modell": "vit"}}, "baseline.modell", "'model'"),
    ],
)
def test_the_error_for_an_unknown_key_names_the_nearest_known_key(values, key, nearest):
    assert f"{key}: unknown key; did you mean {nearest}?" in message(values)


def test_the_error_for_an_unknown_key_that_resembles_none_lists_all_keys():
    assert "known keys: epochs, batch_size, optimizer" in message({"training": {"qqqqq": 1}})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"backends": ["tensorflw"]},
            ["backends.0", "'jax', 'torch' or 'tensorflow'", "found 'tensorflw'", "'tensorflow'?"],
        ),
        ({"training": {"epochs": 0}}, ["training.epochs", "greater than or equal to 1", "found 0"]),
        ({"training": {"epochs": "many"}}, ["training.epochs", "integer", "found 'many'"]),
        (
            {"models": {"vit": {"patch_size": 7}}},
            ["models.vit", "patch_size 7 does not divide image_size 72", "patch_size 6"],
        ),
        ({"models": {"vit": {"projection_dim": 32}}}, ["block_units ends in 64", "projection_dim 32"]),
        ({"models": {"vit": {"mlp_dropout": 1.5}}}, ["models.vit.mlp_dropout", "less than 1", "found 1.5"]),
        ({"baseline": {"model": "resnet"}}, ["baseline.model 'resnet' is not among the models: vit, resnet50v2"]),
        ({"backends": ["jax", "jax"]}, ["backends", "jax more than once"]),
        ({"seeds": [1, 1]}, ["seeds", "1 more than once"]),
        ({"seeds": []}, ["seeds", "at least 1 item"]),
        ({"baseline": {"backends": ["jax", "jax"]}}, ["baseline.backends", "jax more than once"]),
        ({"baseline": {"seeds": [1, 1]}}, ["baseline.seeds", "1 more than once"]),
        ({"executions": {"train": ["tuned", "tuned"]}}, ["executions.train", "tuned more than once"]),
        ({"throughput": {"batch_sizes": [8, 8]}}, ["throughput.batch_sizes", "8 more than once"]),
        (
            {"training": {"optimizer": {"learning_rate": float("inf")}}},
            ["training.optimizer.learning_rate", "finite number", "found inf"],
        ),
        ({"dataset": {"name": "mnist"}}, ["dataset", "'mnist'", "cifar10 and cifar100"]),
        ({"models": {"vit": None, "resnet50v2": None}}, ["every model is null"]),
        ({"baseline": {"seeds": [-1]}}, ["baseline.seeds.0", "found -1"]),
    ],
)
def test_the_error_for_a_wrong_value_names_the_value_and_what_is_allowed(values, words):
    text = message(values)
    assert [word for word in words if word not in text] == [], text


def test_no_alternative_is_suggested_for_a_free_name():
    assert "did you mean" not in message({"experiment": ""})


def test_all_errors_are_listed_at_once():
    text = message({"seeds": [], "training": {"epochs": 0}, "bakends": []})
    assert all(key in text for key in ("seeds", "training.epochs", "bakends"))


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "a b", "a\n", "..", "é"])
def test_a_name_that_would_lead_to_another_path_is_refused(name):
    assert "experiment" in message({"experiment": name})


def test_a_later_file_overrides_single_keys_of_an_earlier_one(tmp_path):
    (tmp_path / "a.yaml").write_text("training: {epochs: 5, batch_size: 8}\nseeds: [1, 2]\n")
    (tmp_path / "b.yaml").write_text("training: {epochs: 6}\nseeds: [3]\n")
    config = load_config([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert (config.training.epochs, config.training.batch_size, config.seeds) == (6, 8, [3])


@pytest.mark.parametrize(
    "overlay",
    [
        {"training": {"optimizer": {"learning_rate": 0.5}}},
        {"baseline": None, "seeds": [7]},
        {"models": {"vit": {"layers": 2}, "resnet50v2": None}, "baseline": None},
    ],
)
def test_files_are_merged_as_snakemake_merges_them(tmp_path, overlay):
    base = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    config = load_config([REPOSITORY / "config.yaml", tmp_path / "overlay.yaml"])
    update_config(base, overlay)
    assert config == parse_config(base)


@pytest.mark.parametrize("content", [b"training: {epochs: 5", b"- a list", b"report: {title: \xff}", None])
def test_the_error_for_an_unreadable_file_names_the_file(tmp_path, content):
    path = tmp_path / "odd.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config file .*odd\.yaml"):
        load_config([path])


def test_strings_from_the_command_line_are_converted():
    config = parse_config(
        {"models": {"vit": "null"}, "seeds": ["1", "2"], "allow_cpu": "true", "baseline": {"epochs": "null"}}
    )
    assert list(config.models.parameters()) == ["resnet50v2"]
    assert (config.seeds, config.allow_cpu, config.baseline.epochs) == ([1, 2], True, None)


def test_the_warm_up_must_be_shorter_than_the_training():
    assert "warmup_epochs 5 must be smaller than the number of epochs, 5" in message(
        {"training": {"epochs": 5, "schedule": {"warmup_epochs": 5}}}
    )
    assert "warmup_epochs 3 must be smaller than the number of epochs, 2" in message(
        {"baseline": {"epochs": 2}, "training": {"epochs": 5, "schedule": {"warmup_epochs": 3}}}
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"models": {"vit": {"patch_size": 7}}}, "patch_size 7 does not divide image_size 72; try patch_size 6"),
        ({"models": {"vit": {"projection_dim": 32}}}, "block_units ends in 64"),
        ({"models": {"vit": {"num_heads": 5, "key_dim": "split"}}}, "num_heads 5 does not divide projection_dim 64"),
        ({"accelerator": "cpu", "precisions": ["tf32"]}, "tf32 needs a GPU"),
        ({"dataset": {"source": "parquet", "name": "mine"}}, "needs path, the folder of train*.parquet"),
        ({"dataset": {"source": "npz", "name": "mine"}}, "needs path, the .npz file"),
        ({"dataset": {"source": "digits", "name": "mine", "path": "x"}}, "source 'digits' reads no file"),
        ({"models": {"vit": {"builder": "a:b"}}}, "vit is a model of vitbench"),
        ({"models": {"own": {"bilder": "a:b"}}}, "needs builder: package.module:function"),
        ({"models": {"own": {"builder": "a.b"}}}, "models.own.builder: must have the form package.module:function"),
        ({"models": {"../own": {"builder": "a:b"}}}, "becomes part of a path"),
    ],
)
def test_an_impossible_combination_is_refused_with_the_reason(values, words):
    assert words in message(values)
