"""Reads a config. Error messages name the key, the value and what is allowed."""

import difflib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from vitbench.config.schema import Config


class ConfigError(ValueError):
    """The config is not valid. The message is for the user and lists every error."""


def load_config(paths: Iterable[Path | str]) -> Config:
    """The config from YAML or JSON files; later files override keys of earlier ones.

    Raises ConfigError if a file cannot be read or the merged config is not valid.
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
    """The config from plain values. Raises ConfigError, which lists every error."""
    try:
        return Config.model_validate(_replace_nulls(values))
    except ValidationError as error:
        messages = "\n".join(f"  {_describe_error(details)}" for details in error.errors())
        raise ConfigError(f"the config is not valid:\n{messages}") from None


def _replace_nulls(value):
    """The same with None for "null", because Snakemake passes the values in `--config key={...}` as strings."""
    if isinstance(value, Mapping):
        return {key: _replace_nulls(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_nulls(item) for item in value]
    return None if value == "null" else value


def _merge(into: dict, extra: Mapping) -> None:
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _describe_error(details: Mapping) -> str:
    """One line for an error of pydantic: the key, what is wrong, the value, and the nearest alternative."""
    location = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        known = _list_known_keys(details["loc"][:-1])
        close = difflib.get_close_matches(str(details["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{location}: unknown key; {hint}"
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "string_pattern_mismatch":
        is_builder = details["loc"][-1] == "builder"
        allowed = "may contain only letters, digits, '.', '_' and '-', and must not begin with '.'"
        message = "must have the form package.module:function" if is_builder else allowed
    value = details["input"]
    if isinstance(value, BaseModel | Mapping):
        return f"{location}: {message}" if location else message
    close = difflib.get_close_matches(str(value), _list_alternatives(details), n=1) if isinstance(value, str) else []
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{location}: {message}, found {value!r}{hint}"


def _list_alternatives(details: Mapping) -> list[str]:
    """The allowed values that pydantic names in its message; empty if it names none."""
    expected = str(details.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",")] if expected else []


def _list_known_keys(location: tuple) -> list[str]:
    """The keys of the section at `location`."""
    model: type[BaseModel] = Config
    for part in location:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        options = [] if field is None else [field.annotation, *typing.get_args(field.annotation)]
        model = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), model)
    return list(model.model_fields)
