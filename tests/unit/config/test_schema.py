import difflib
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from snakemake.utils import update_config

from vitbench.backends.registry import BACKENDS
from vitbench.config.base import Slug
from vitbench.config.docs import config_page, json_schema, list_keys
from vitbench.config.loading import ConfigError, load_config, parse_config
from vitbench.config.schema import Config
from vitbench.results.docs import columns_page

REPOSITORY = Path(__file__).parents[3]


def message(values: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(values)
    return str(caught.value)


def test_the_defaults_are_the_examples():
    config = parse_config({})
    vit, training = config.models.vit, config.training
    assert (vit.image_size, vit.patch_size, vit.projection_dim, vit.num_heads, vit.layers) == (72, 6, 64, 4, 8)
    assert (vit.block_units, vit.head_units) == ([128, 64], [2048, 1024])
    assert (vit.attention_dropout, vit.mlp_dropout, vit.head_dropout, vit.epsilon) == (0.1, 0.1, 0.5, 1e-6)
    assert (vit.pooling, vit.patches) == ("flatten", 144)
    drawn = vit.augmentation
    assert (drawn.horizontal_flip, drawn.rotation, drawn.zoom) == (True, 0.02, 0.2)
    assert (training.epochs, training.batch_size) == (100, 256)
    assert (training.optimizer.learning_rate, training.optimizer.weight_decay) == (1e-3, 1e-4)
    assert (config.dataset.source, config.dataset.name, config.dataset.validation_fraction) == (
        "keras",
        "cifar100",
        0.1,
    )


def test_the_published_config_is_the_defaults():
    assert load_config([REPOSITORY / "config.yaml"]) == Config()


@pytest.mark.parametrize("preset", sorted((REPOSITORY / "workflow" / "presets").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_preset_is_valid_and_fits_the_schema(preset):
    assert load_config([REPOSITORY / "config.yaml", preset]).experiment
    jsonschema.validate(yaml.safe_load(preset.read_text()), json.loads(json_schema()))


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
def test_an_unknown_key_is_named_with_the_nearest_known_one(values, key, nearest):
    assert f"{key}: unknown key; did you mean {nearest}?" in message(values)


def test_an_unknown_key_like_no_other_gets_the_list():
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
def test_a_wrong_value_is_named_with_what_is_allowed(values, words):
    said = message(values)
    assert [word for word in words if word not in said] == [], said


def test_no_alternative_is_made_up_where_any_name_will_do():
    assert "did you mean" not in message({"experiment": ""})


def test_every_fault_is_named_at_once():
    said = message({"seeds": [], "training": {"epochs": 0}, "bakends": []})
    assert all(key in said for key in ("seeds", "training.epochs", "bakends"))


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "a b", "a\n", "..", "é"])
def test_a_name_that_would_be_another_path_is_refused(name):
    assert "experiment" in message({"experiment": name})


@given(st.text(max_size=80))
def test_whatever_name_is_accepted_is_one_plain_path_component(name):
    try:
        TypeAdapter(Slug).validate_python(name)
    except ValidationError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name) and not name.startswith(".")


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
    ours = load_config([REPOSITORY / "config.yaml", tmp_path / "overlay.yaml"])
    update_config(base, overlay)
    assert ours == parse_config(base)


@pytest.mark.parametrize("content", [b"training: {epochs: 5", b"- a list", b"report: {title: \xff}", None])
def test_a_file_that_is_no_config_is_named(tmp_path, content):
    path = tmp_path / "odd.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config file .*odd\.yaml"):
        load_config([path])


def test_what_is_relevant_to_a_step_changes_when_its_result_would():
    base = parse_config({})
    title, rate, epochs = (
        parse_config(v)
        for v in (
            {"report": {"title": "New"}},
            {"training": {"optimizer": {"learning_rate": 0.5}}},
            {"baseline": {"epochs": 7}},
        )
    )
    for step in ("data", "init", "tune", "parity", "train", "throughput"):
        model = None if step == "data" else "vit"
        assert title.relevant_settings(step, model) == base.relevant_settings(step, model)
        assert epochs.relevant_settings(step, model) == base.relevant_settings(step, model)
    assert rate.relevant_settings("train", "vit") != base.relevant_settings("train", "vit")
    assert rate.relevant_settings("init", "vit") == base.relevant_settings("init", "vit")
    assert epochs.relevant_settings("train", "resnet50v2") != base.relevant_settings("train", "resnet50v2")


def test_contestants_are_every_model_on_its_backends():
    config = parse_config({"baseline": {"backends": ["torch"], "seeds": [5]}})
    assert config.model_backends() == [("vit", b) for b in BACKENDS] + [("resnet50v2", "torch")]
    assert (config.model_seeds("vit"), config.model_seeds("resnet50v2")) == ([0, 1, 2], [5])
    assert (config.reference_backend("vit"), config.reference_backend("resnet50v2")) == ("jax", "jax")
    # What takes part on one backend alone is compared with another all the same, if there is one.
    config = parse_config({"baseline": {"backends": ["jax"]}, "backends": ["torch", "tensorflow", "jax"]})
    assert (config.reference_backend("vit"), config.reference_backend("resnet50v2")) == ("jax", "torch")
    config = parse_config({"baseline": {"backends": ["jax"]}, "backends": ["jax"]})
    assert config.reference_backend("resnet50v2") == "jax"


def test_every_key_is_described():
    assert [key for key, field in list_keys(Config) if not field.description] == []


@pytest.mark.parametrize(
    ("path", "generate"),
    [
        ("workflow/schemas/config.schema.json", json_schema),
        ("docs/config.md", config_page),
        ("docs/columns.md", columns_page),
    ],
)
def test_generated_files_are_up_to_date(path, generate):
    text = (REPOSITORY / path).read_text()
    difference = "\n".join(
        difflib.unified_diff(text.splitlines(), generate().splitlines(), path, "generated", lineterm="")
    )
    assert not difference, f"run `make schema`:\n{difference}"


def test_what_a_command_line_leaves_as_strings_is_understood():
    config = parse_config(
        {"models": {"vit": "null"}, "seeds": ["1", "2"], "allow_cpu": "true", "baseline": {"epochs": "null"}}
    )
    assert list(config.models.parameters()) == ["resnet50v2"]
    assert (config.seeds, config.allow_cpu, config.baseline.epochs) == ([1, 2], True, None)


def test_a_schedule_must_leave_epochs_after_its_warm_up():
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
def test_what_cannot_be_is_refused_with_the_reason(values, words):
    assert words in message(values)


def test_a_users_model_stands_beside_those_built_here():
    config = parse_config({"models": {"own": {"builder": "nets.small:build", "options": {"width": 4}}}})
    assert list(config.models.parameters()) == ["vit", "resnet50v2", "own"]
    assert ("own", "torch") in config.model_backends()
    assert config.custom_modules("own") == ["nets.small"] and config.custom_modules("vit") == []
    assert json.loads(config.relevant_settings("train", "own"))["model"]["options"] == {"width": 4}


def test_other_epochs_need_no_other_sample():
    ten, twenty = (parse_config({"training": {"epochs": n}}) for n in (10, 20))
    assert ten.relevant_settings("sample", "vit") == twenty.relevant_settings("sample", "vit")
    assert ten.relevant_settings("train", "vit") != twenty.relevant_settings("train", "vit")
