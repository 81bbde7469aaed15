"""The generated JSON Schema and config reference."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from helpers.generated import unified_difference
from vitbench.config.docs import config_page, json_schema, list_keys
from vitbench.config.loading import load_config
from vitbench.config.schema import Config

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("preset", sorted((REPOSITORY / "workflow" / "presets").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_preset_is_valid_and_matches_the_json_schema(preset):
    assert load_config([REPOSITORY / "config.yaml", preset]).experiment
    jsonschema.validate(yaml.safe_load(preset.read_text()), json.loads(json_schema()))


def test_every_key_is_described():
    assert [key for key, field in list_keys(Config) if not field.description] == []


@pytest.mark.parametrize(
    ("path", "generate"), [("workflow/schemas/config.schema.json", json_schema), ("docs/config.md", config_page)]
)
def test_generated_files_are_up_to_date(path, generate):
    difference = unified_difference(REPOSITORY / path, generate())
    assert not difference, f"run `make schema`:\n{difference}"


def test_large_defaults_have_a_comma_and_lists_can_be_copied():
    page = config_page()
    assert "| `dataset.synthetic.train_images` | 50,000 |" in page
    assert "| `models.vit.head_units` | `[2048, 1024]` |" in page
