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
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from almond.files.folders import find_path
from almond.shapes import shown

NIFTI = (".nii", ".nii.gz")

BASE = "base"
"""Key of the validation context: the folder that relative paths start from, else the working directory."""


def resolved_path(value: object, info: ValidationInfo) -> Path:
    """Make a path absolute, with its names in the Unicode form of the disk; it need not exist.

    :raises ValueError: the value is no path.
    """
    if isinstance(value, Path) or (isinstance(value, str) and value.strip()):
        return find_path(Path((info.context or {}).get(BASE, "")) / value)
    raise ValueError("is missing" if value is None else f"is {shown(value)}, not a path")


def existing_folder(value: object, info: ValidationInfo) -> Path:
    """Resolve a folder that exists."""
    path = resolved_path(value, info)
    if not os.path.isdir(path):
        raise ValueError(f"folder not found: {path}")
    return path


class ExistingFile:
    """Metadata of the path of a file that exists and whose name ends in one of ``suffixes``."""

    def __init__(self, suffixes: Sequence[str]) -> None:
        self.suffixes = tuple(suffixes)

    def check(self, value: object, info: ValidationInfo) -> Path:
        """Resolve the file."""
        path = resolved_path(value, info)
        if not os.path.isfile(path):
            raise ValueError(f"file not found: {path}")
        if not path.name.lower().endswith(self.suffixes):
            raise ValueError(f"{path.name} does not end in {' or '.join(self.suffixes)}")
        return path

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "file-path", "suffixes": list(self.suffixes)}


def file_or_pattern_of(suffixes: Sequence[str], *fields: str) -> PlainValidator:
    """Make the validator of a file that exists; a path with a field is looked for when that is known.

    :param fields: such as ``{subject}``.
    """
    existing = ExistingFile(suffixes)

    def file_or_pattern(value: object, info: ValidationInfo) -> Path:
        if not any(field in str(value) for field in fields):
            return existing.check(value, info)
        if not str(value).lower().endswith(tuple(suffixes)):
            raise ValueError(f"{value} does not end in {' or '.join(suffixes)}")
        return resolved_path(value, info)

    return PlainValidator(file_or_pattern, json_schema_input_type=str)


ResolvedPath = Annotated[Path, BeforeValidator(resolved_path)]
ExistingFolder = Annotated[
    Path,
    BeforeValidator(existing_folder),
    WithJsonSchema({"type": "string", "format": "directory-path"}),
]
