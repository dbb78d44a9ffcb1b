"""The tables of keys in the documentation and the JSON Schema of a configuration, made from the models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from almond.encoding.config.crossvalidation import CrossValidationSettings
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.model import ModelSettings
from almond.encoding.config.preparation import PreparationSettings
from almond.encoding.config.runs import DataSettings
from almond.errors import InputError
from almond.evidence.external.table_map import TableMap
from almond.shapes import keys_of, shapes_of, suggestion
from almond.world.rater_model import RaterModel

GROUPS: Mapping[str, type[BaseModel]] = {
    "data": DataSettings,
    "preparation": PreparationSettings,
    "models": ModelSettings,
    "crossvalidation": CrossValidationSettings,
}
"""Keys that stand at the top of a configuration, by what they are about."""

SECTIONS = "sections"
FILES: Mapping[str, type[BaseModel]] = {"import-ratings": TableMap, "power": RaterModel}
"""Files of their own that commands take, by the command."""

HEAD = "| setting | values | default | meaning |\n| --- | --- | --- | --- |"
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
FORMATS = {"directory-path": "folder", "path": "path"}
LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}

Schema = Mapping[str, Any]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **FitConfig.model_json_schema()}


def section_names() -> list[str]:
    """List what :func:`markdown_table` makes a table of."""
    return [*GROUPS, SECTIONS, *FILES, *_section_keys()]


def markdown_table(name: str) -> str:
    """Return the table of a section's keys: values, default and meaning of each.

    :param name: a group of keys (``data``), a key that holds a section (``evaluation``), ``sections``: the
        keys that hold one, or a command with a file of its own (``import-ratings``).
    :raises InputError: there is no such section.
    """
    if name not in section_names():
        raise InputError("section", f"{name} is not known; {suggestion(name, section_names())}")
    if name in FILES:
        own = FILES[name].model_json_schema(by_alias=True)
        return _table(row for key in keys_of(FILES[name]) for row in _rows(FILES[name], key, "", own))
    schema = json_schema()
    keys = keys_of(GROUPS[name]) if name in GROUPS else _section_keys() if name == SECTIONS else [name]
    rows_of = {key: list(_rows(FitConfig, key, "", schema)) for key in keys}
    if name == SECTIONS:
        rows = [rows[0] for rows in rows_of.values()]
    else:
        rows = [row for rows in rows_of.values() for row in rows if row[0] != f"`{name}`" or name in GROUPS]
    return _table(rows)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join([HEAD, *(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)])


def _section_keys() -> list[str]:
    grouped = {key for group in GROUPS.values() for key in keys_of(group)}
    return [key for key in keys_of(FitConfig) if key not in grouped]


def _rows(shape: type[BaseModel], key: str, prefix: str, schema: Schema) -> Iterator[tuple[str, ...]]:
    """Yield the row of a key and those of the keys inside it."""
    field = next(field for name, field in shape.model_fields.items() if (field.alias or name) == key)
    whole = shape is FitConfig or shape in FILES.values()
    own = schema if whole else schema["$defs"][shape.__name__]
    values = " or ".join(dict.fromkeys(_values(own["properties"][key])))
    yield f"`{prefix}{key}`", values, _default(field), field.description or ""
    listed = [inner for inner in reversed(shapes_of(field)) if _lists_keys(inner, schema)]
    inside = {inner_key: inner for inner in listed for inner_key in keys_of(inner)}
    for inner_key, inner in inside.items():
        if inner is not shape:
            yield from _rows(inner, inner_key, f"{prefix}{key}.", schema)


def _lists_keys(shape: type[BaseModel], schema: Schema) -> bool:
    """Whether a shape is an object with keys of its own, not one of several forms."""
    return "properties" in schema["$defs"].get(shape.__name__, {})


def _values(schema: Schema) -> Iterator[str]:
    """Say in words what a JSON Schema accepts."""
    if "anyOf" in schema:
        for option in schema["anyOf"]:
            several = option.get("type") == "array" and option.get("items") in schema["anyOf"]
            yield from ["a list of them"] if several else _values(option)
    elif "enum" in schema or "const" in schema:
        yield ", ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    elif "prefixItems" in schema:
        yield f"{len(schema['prefixItems'])} {_plural(schema['prefixItems'][0])}"
    elif schema.get("type") == "array":
        yield f"list of {_plural(schema['items'])}"
    elif "$ref" in schema or schema.get("type") == "object":
        yield "mapping"
    elif "suffixes" in schema:
        yield "file " + ", ".join(f"`{suffix}`" for suffix in schema["suffixes"])
    elif schema.get("type") in WORDS:
        limits = [f"{word} {schema[limit]:g}" for limit, word in LIMITS.items() if limit in schema]
        noun = FORMATS.get(schema.get("format", ""), WORDS[schema["type"]])
        yield f"{noun} {' and '.join(limits)}".strip()


def _plural(schema: Schema) -> str:
    return re.sub("^(text|number|whole number|mapping)", r"\1s", " or ".join(_values(schema)))


def _default(field: FieldInfo) -> str:
    """Write a default as a configuration does; nothing where what happens stands in the meaning."""
    if field.is_required():
        return "required"
    return f"`{_written(field.default)}`" if _written(field.default) else ""


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and len(value) != 1:
        return f"[{', '.join(map(_written, value))}]" if value else ""
    if isinstance(value, tuple):
        return _written(value[0])
    if isinstance(value, int | float):
        return f"{value:g}"
    return str(value) if isinstance(value, str | PurePath) else ""
