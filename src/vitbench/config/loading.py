"""Reads a config and says in plain words what is wrong with it: the key, the value, what is allowed."""

import difflib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from vitbench.config.schema import Config


class ConfigError(ValueError):
    """A config that cannot be run; the message is for the user and names every fault."""


def load_config(paths: Iterable[Path | str]) -> Config:
    """The config from YAML or JSON files, a later one overriding keys of an earlier one.

    Raises ConfigError if a file cannot be read or the whole is not valid.
    """
    merged: dict = {}
    for path in paths:
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"config file {path}: {error}") from None
        if not isinstance(content, dict):
            raise ConfigError(f"config file {path}: expected keys and values, found {type(content).__name__}")
        _merge(merged, content)
    return parse_config(merged)


def parse_config(values: Mapping) -> Config:
    """The config from plain values. Raises ConfigError that lists every fault."""
    try:
        return Config.model_validate(_with_nulls(values))
    except ValidationError as error:
        faults = "\n".join(f"  {_describe(fault)}" for fault in error.errors())
        raise ConfigError(f"the config is not valid:\n{faults}") from None


def _with_nulls(value):
    """The same with None for "null": Snakemake leaves what stands within `--config key={...}` as strings."""
    if isinstance(value, Mapping):
        return {key: _with_nulls(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nulls(item) for item in value]
    return None if value == "null" else value


def _merge(into: dict, extra: Mapping) -> None:
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _describe(fault: Mapping) -> str:
    location = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = _known_keys(fault["loc"][:-1])
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return f"{location}: unknown key; {hint}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "string_pattern_mismatch":
        message = "may hold letters, digits, '.', '_' and '-' only, and not begin with '.'"
    value = fault["input"]
    if isinstance(value, BaseModel | Mapping):
        return f"{location}: {message}" if location else message
    close = difflib.get_close_matches(str(value), _alternatives(fault), n=1) if isinstance(value, str) else []
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{location}: {message}, found {value!r}{hint}"


def _alternatives(fault: Mapping) -> list[str]:
    expected = str(fault.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",")] if expected else []


def _known_keys(location: tuple) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        options = [] if field is None else [field.annotation, *typing.get_args(field.annotation)]
        model = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), model)
    return list(model.model_fields)
