"""Fields of a form made from the shapes of what can be chosen in it: each parameter is a field.

A parameter is a field of a pydantic shape with a default, a ``title`` (its label) and a ``description`` (its
help): a number, a whole number, one of some texts, yes or no, a text, or a list of texts, one a line. A text
whose ``json_schema_extra`` has ``rows`` is typed in so many lines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django import forms
from django.utils.text import capfirst
from pydantic import BaseModel
from unfold.widgets import UnfoldBooleanWidget

from almond.errors import InputError
from lab.fields import choice_field, lines_field, number_field, text_field, whole_field

Schema = Mapping[str, Any]
"""What a shape says of one parameter, as JSON schema."""


def parameter_schemas(shape: type[BaseModel], *, without: Collection[str] = ()) -> dict[str, Schema]:
    """Return the schema of each parameter of a shape by name, but for some."""
    properties = shape.model_json_schema()["properties"]
    return {name: schema for name, schema in properties.items() if name not in without}


def may_be_empty(schema: Schema) -> bool:
    """Tell whether nothing typed is a value of its own, such as no limit, instead of the default."""
    return any(option.get("type") == "null" for option in schema.get("anyOf", ()))


def _option(schema: Schema) -> Schema:
    """Return what a parameter is where it is not empty."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if options else schema


def form_field(schema: Schema) -> Any:
    """Make the form's field for a parameter.

    :raises InputError: a parameter of another type than those named above.
    """
    option = _option(schema)
    kind = "lines" if _is_list_of_texts(option) else option.get("type")
    texts = {"help_text": schema.get("description", ""), "label": capfirst(schema.get("title"))}
    if "enum" in option:
        choices = [(name, name.replace("_", " ")) for name in option["enum"]]
        field = choice_field([("", "none"), *choices] if may_be_empty(schema) else choices, **texts)
    elif kind == "number":
        field = number_field(**texts)
    elif kind == "integer":
        field = whole_field(**texts)
    elif kind == "boolean":
        field = forms.BooleanField(required=False, widget=UnfoldBooleanWidget, **texts)
    elif kind == "lines" or (kind == "string" and "rows" in schema):
        field = lines_field(rows=schema.get("rows", 4), **texts)
    elif kind == "string":
        field = text_field(**texts)
    else:
        raise InputError(
            str(schema.get("title")),
            f"is of type {kind}",
            "a number, a whole number, a choice, yes or no, a text or a list of texts",
        )
    field.initial = typed(schema.get("default"))
    return field


def _is_list_of_texts(option: Schema) -> bool:
    return option.get("type") == "array" and option.get("items", {}).get("type") == "string"


def typed(value: object) -> Any:
    """Write a parameter's value as its field holds it."""
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value


def _read(value: object, schema: Schema) -> Any:
    if _is_list_of_texts(_option(schema)):
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]
    return value


def read_parameters(data: Mapping[str, Any], fields: Mapping[str, tuple[str, Schema]]) -> dict[str, Any]:
    """Read the values of parameters from cleaned data; what is left empty is absent, or None where that is a
    value of its own.

    :param fields: field of the form -> its parameter and the schema.
    """
    values: dict[str, Any] = {}
    for field, (name, schema) in fields.items():
        value = _read(data.get(field), schema)
        if value not in (None, "", []):
            values[name] = value
        elif may_be_empty(schema):
            values[name] = None
    return values
