"""Values typed into forms: lists, numbers, pairs and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from almond.errors import InputError


def read_names(text: str) -> list[str]:
    """Split ``a, b``, or one name per line, into ["a", "b"]."""
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def read_numbers(text: str, field: str) -> list[float]:
    """Read ``2, 4, 6`` as [2.0, 4.0, 6.0].

    :raises InputError: at the field, where anything else is typed.
    """
    try:
        return [float(part) for part in filter(None, re.split(r"[,;\s]+", text))]
    except ValueError as error:
        raise InputError(field, f"{text!r}", "numbers separated by commas") from error


def read_pairs(text: str, field: str) -> dict[str, str]:
    """Read ``name = value``, one per line or separated by commas.

    :raises InputError: at the field, where anything else is typed.
    """
    pairs = {}
    for part in read_names(text):
        name, mark, value = (piece.strip() for piece in part.partition("="))
        if not (mark and name and value):
            raise InputError(field, f"{part!r}", "name = value, one per line")
        pairs[name] = value
    return pairs


def read_settings(text: str, field: str = "further") -> dict[str, Any]:
    """Read YAML as a mapping of settings.

    :raises InputError: at the field, where it is no mapping.
    """
    expected = "one setting per line, such as `penalties: [1, 10, 100]`"
    try:
        settings = yaml.safe_load(text) if text.strip() else {}
    except yaml.YAMLError as error:
        raise InputError(field, f"is not YAML ({error})", expected) from error
    if not isinstance(settings, dict):
        raise InputError(field, "is not a mapping", expected)
    return {str(key): value for key, value in settings.items()}


def filled_in(data: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Select those of a form's values that are filled in."""
    return {key: data[key] for key in keys if data.get(key) not in (None, "", [])}


def merged(own: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Add further settings to those that have fields of their own.

    :raises InputError: a setting that both give.
    """
    for key in sorted(set(own) & set(further)):
        raise InputError("further", f"{key} has a field of its own", "each setting once")
    return {**own, **further}
