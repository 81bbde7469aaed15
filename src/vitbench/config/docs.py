"""What is generated from the config's models for people and editors: the JSON Schema and the README's reference."""

import html
import json
import typing
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vitbench.config.schema import Config

BEGIN, END = "<!-- config reference: begin -->", "<!-- config reference: end -->"


def json_schema() -> str:
    """The JSON Schema (draft 2020-12) of a config file, as text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Config.model_json_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def key_table() -> str:
    """A table of every key with its default and description."""
    rows = [f"| `{key}` | `{_shown(field)}` | {html.escape(field.description, False)} |" for key, field in keys(Config)]
    return "\n".join(["| key | default | what it says |", "|---|---|---|", *rows])


def insert_reference(text: str) -> str:
    """`text` with the reference between its two markers. Raises ValueError if it has no markers."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"found no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{key_table()}\n{END}{after}"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key that holds a value, dotted, with its field; sections are entered."""
    for name, field in model.model_fields.items():
        section = next((o for o in _options(field) if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if section is not None and field.description is None:
            yield from keys(section, f"{prefix}{name}.")
        elif section is not None:
            yield f"{prefix}{name}", field
            yield from keys(section, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _options(field: FieldInfo) -> list:
    return [field.annotation, *typing.get_args(field.annotation)]


def _shown(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "(required)"
    if isinstance(default, BaseModel):
        return "as below"
    return json.dumps(default)
