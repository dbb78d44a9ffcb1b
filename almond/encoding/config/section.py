"""What the sections of a configuration have in common: empty keys, numbers with limits, lists, choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from almond.described import DescribedShape
from almond.shapes import Number, OneOf, Text, Whole, repeated, shown, suggestion

DEFAULT = "default"
STORED_DEFAULT = "sound"
"""What :data:`DEFAULT` was called; it is still read, and digests and results still hold it."""


def stored_word(word: str) -> str:
    """Return the word for a choice that digests and results hold."""
    return STORED_DEFAULT if word == DEFAULT else word


class ConfigSection(DescribedShape):
    """A part of a configuration. A key without a value counts as absent."""

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_keys(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: part for key, part in value.items() if part is not None}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values of all fields, of paths the last part: what digests and results hold."""
        return {name: self.stored(name) for name in type(self).model_fields}

    def stored(self, name: str) -> Any:
        """Return the plain JSON value of a field."""
        value = getattr(self, name)
        has_default_word = any(isinstance(part, DefaultOr) for part in type(self).model_fields[name].metadata)
        return stored_word(value) if has_default_word else stored_value(value)


def stored_value(value: Any) -> Any:
    """Return JSON values of what a section or region holds; of paths the last part."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: stored_value(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [stored_value(part) for part in value]
    return value.name if isinstance(value, Path) else value


class DefaultOr(OneOf):
    """Metadata of a text: ``default``, which may be given by its stored word, or one of ``others``."""

    def __init__(self, *others: str) -> None:
        super().__init__((DEFAULT, *others))

    def check(self, value: Any) -> str:
        return super().check(DEFAULT if value == STORED_DEFAULT else value)


class _Filled:
    """Metadata of a list or mapping that holds something."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        return {**schema, "minItems" if schema["type"] == "array" else "minProperties": 1}

    def check(self, value: Any) -> Any:
        """Refuse what is empty, which a limit of pydantic's would also say of what holds only errors."""
        if not value:
            raise ValueError("is empty")
        return value


FILLED = _Filled()


class ListOfOne:
    """Metadata of a list for which its only member may stand."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list | tuple) else [value], handler(source)
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        listed = handler(core)
        return {"anyOf": [listed["items"], listed]}


Member = TypeVar("Member")
OneOrMany = Annotated[tuple[Member, ...], FILLED, ListOfOne()]
Texts = Annotated[tuple[Text, ...], FILLED]


def _code(value: Any) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
        return str(value).strip()
    raise ValueError(f"is {shown(value)}, not a word or number; a word such as null needs quotes")


Code = Annotated[str, BeforeValidator(_code, json_schema_input_type=str | float)]
Codes = Annotated[tuple[Code, ...], FILLED]
"""Words and numbers that mean a missing value in a table."""

Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(gt=0, lt=1)]
Count = Annotated[Whole, Field(ge=1)]
CountOrZero = Annotated[Whole, Field(ge=0)]
Label = Annotated[str, BeforeValidator(str)]
"""A key that names something; YAML may read it as a number."""


def repeated_names(**fields: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """Yield a problem for each field that holds a name twice."""
    for key, names in fields.items():
        if names and repeated(names):
            yield key, "holds a name twice"


def unknown_regions(path: str, names: Iterable[str], known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield a problem for each name that is none of the ``known`` regions."""
    for name in names:
        if name not in known:
            yield path, f"{name} is no region; {suggestion(name, known)}"
