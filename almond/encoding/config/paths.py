"""Files and folders that a configuration names: relative to its folder, and there when it is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from almond.shapes import shown

BASE = "base"
"""Key of the validation context: the folder that relative paths start from."""

REGION_NAMES = "region_names"
"""Key of the validation context: the names of all regions of the configuration."""


def resolve(value: object, info: ValidationInfo) -> Path:
    """Make a path absolute; it need not exist.

    :raises ValueError: the value is no path.
    """
    if isinstance(value, Path) or (isinstance(value, str) and value.strip()):
        return Path((info.context or {})[BASE]) / value
    raise ValueError("is missing" if value is None else f"is {shown(value)}, not a path")


def existing_folder(value: object, info: ValidationInfo) -> Path:
    """Resolve a folder that exists."""
    path = resolve(value, info)
    if not os.path.isdir(path):
        raise ValueError(f"folder not found: {path}")
    return path


class ExistingFile:
    """Metadata of the path of a file that exists and whose name ends in one of ``suffixes``."""

    def __init__(self, suffixes: Sequence[str]) -> None:
        self.suffixes = tuple(suffixes)

    def check(self, value: object, info: ValidationInfo) -> Path:
        """Resolve the file."""
        path = resolve(value, info)
        if not os.path.isfile(path):
            raise ValueError(f"file not found: {path}")
        if not path.name.endswith(self.suffixes):
            raise ValueError(f"{path.name} does not end in {' or '.join(self.suffixes)}")
        return path

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(
            self.check, handler(source), serialization=NAME_IN_JSON
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "file-path", "suffixes": list(self.suffixes)}


def file_of(suffixes: Sequence[str]) -> Any:
    """Make the type of a file that exists and whose name ends in one of ``suffixes``."""
    return Annotated[Path, ExistingFile(suffixes)]


def name_of(path: Path) -> str:
    """Return the last part of a path: what digests and results hold of it."""
    return path.name


NAME_IN_JSON = core_schema.plain_serializer_function_ser_schema(name_of, when_used="json")
ResolvedPath = Annotated[Path, BeforeValidator(resolve), PlainSerializer(name_of, when_used="json")]
ExistingFolder = Annotated[
    Path,
    BeforeValidator(existing_folder),
    PlainSerializer(name_of, when_used="json"),
    WithJsonSchema({"type": "string", "format": "directory-path"}),
]
