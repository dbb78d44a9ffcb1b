"""Files and folders that a configuration names: relative to its folder, and there when it is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, TypeAdapter, ValidationInfo

from almond.shapes import shown

BASE = "base"
"""Key of the validation context: the folder that relative paths start from, else the working directory."""


def resolve(value: object, info: ValidationInfo) -> Path:
    """Make a path absolute; it need not exist.

    :raises ValueError: the value is no path.
    """
    if isinstance(value, Path) or (isinstance(value, str) and value):
        return Path((info.context or {}).get(BASE, "")) / value
    raise ValueError("is missing" if value is None else f"is {shown(value)}, not a path")


def existing_folder(value: object, info: ValidationInfo) -> Path:
    """Resolve a folder that exists."""
    path = resolve(value, info)
    if not os.path.isdir(path):
        raise ValueError(f"folder not found: {path}")
    return path


def file_of(suffixes: Sequence[str]) -> Any:
    """Make the type of a file that exists and whose name ends in one of ``suffixes``."""

    def existing_file(value: object, info: ValidationInfo) -> Path:
        path = resolve(value, info)
        if not os.path.isfile(path):
            raise ValueError(f"file not found: {path}")
        if not path.name.endswith(tuple(suffixes)):
            raise ValueError(f"{path.name} does not end in {' or '.join(suffixes)}")
        return path

    return Annotated[Path, BeforeValidator(existing_file)]


def file_or_pattern_of(suffixes: Sequence[str], *fields: str) -> PlainValidator:
    """Make the validator of a file that exists; a path with a field is looked for when that is known.

    :param fields: such as ``{subject}``.
    """
    existing: TypeAdapter[Path] = TypeAdapter(file_of(suffixes))

    def file_or_pattern(value: object, info: ValidationInfo) -> Path:
        if not any(field in str(value) for field in fields):
            return existing.validate_python(value, context=info.context)
        if not str(value).endswith(tuple(suffixes)):
            raise ValueError(f"{value} does not end in {' or '.join(suffixes)}")
        return resolve(value, info)

    return PlainValidator(file_or_pattern, json_schema_input_type=str)


ResolvedPath = Annotated[Path, BeforeValidator(resolve)]
ExistingFolder = Annotated[Path, BeforeValidator(existing_folder)]
