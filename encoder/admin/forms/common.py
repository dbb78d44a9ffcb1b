"""Fields in the admin's looks, and what is typed into them as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from almond.errors import InputError
from encoder.models import Dataset

Choices = Sequence[tuple[str, str]]


def text(help_text: str = "", *, label: str | None = None, placeholder: str = "") -> Any:
    return forms.CharField(
        label=label,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": placeholder}),
        help_text=help_text,
    )


def lines(help_text: str = "", *, label: str | None = None, placeholder: str = "", rows: int = 4) -> Any:
    return forms.CharField(
        label=label,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": rows, "placeholder": placeholder}),
        help_text=help_text,
    )


def choice(choices: Choices, help_text: str = "", *, label: str | None = None, initial: str = "") -> Any:
    return forms.ChoiceField(
        label=label,
        choices=list(choices),
        required=False,
        initial=initial,
        widget=UnfoldAdminSelectWidget,
        help_text=help_text,
    )


def whole(
    help_text: str = "", *, label: str | None = None, least: int | None = None, placeholder: str = ""
) -> Any:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"placeholder": placeholder}),
        help_text=help_text,
    )


def number(
    help_text: str = "", *, label: str | None = None, least: float | None = None, placeholder: str = ""
) -> Any:
    return forms.FloatField(
        label=label,
        required=False,
        min_value=least,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"placeholder": placeholder, "step": "any"}),
        help_text=help_text,
    )


def dataset_field(*, required: bool = True, help_text: str = "") -> Any:
    """The choice of a dataset; not called ``dataset``, a name that unfold takes for its own when posted."""
    return forms.ModelChoiceField(
        Dataset.objects.exclude(kind=Dataset.Kind.WEIGHTS),
        label="Dataset",
        required=required,
        widget=UnfoldAdminSelectWidget,
        help_text=help_text,
    )


def names(given: str) -> list[str]:
    """``a, b`` or one per line -> ["a", "b"]."""
    return [part.strip() for part in given.replace("\n", ",").split(",") if part.strip()]


def numbers(given: str, field: str) -> list[float]:
    """``2, 4, 6`` -> [2.0, 4.0, 6.0]; ``InputError`` at the field for anything else."""
    try:
        return [float(part) for part in names(given)]
    except ValueError as error:
        raise InputError(field, f"{given!r} are no numbers", "numbers separated by commas") from error


def pairs(given: str, field: str) -> dict[str, str]:
    """``ours = theirs`` one per line or separated by commas -> a mapping."""
    found = {}
    for part in names(given):
        ours, mark, theirs = (piece.strip() for piece in part.partition("="))
        if not (mark and ours and theirs):
            raise InputError(field, f"{part!r}", "ours = theirs, one per line")
        found[ours] = theirs
    return found


def settings(given: str, field: str = "further") -> dict[str, Any]:
    """YAML as a mapping of settings; ``InputError`` at the field when it is none."""
    expected = "one setting per line, such as `penalties: [1, 10, 100]`"
    try:
        found = yaml.safe_load(given) if given.strip() else {}
    except yaml.YAMLError as error:
        raise InputError(field, f"is not YAML ({error})", expected) from error
    if not isinstance(found, dict):
        raise InputError(field, "is no mapping", expected)
    return {str(key): value for key, value in found.items()}


def given(data: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Those of the form's values that were filled in."""
    return {key: data[key] for key in keys if data.get(key) not in (None, "", [])}


def joined(first: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    """Fields with further settings; ``InputError`` for what both say."""
    for key in sorted(set(first) & set(further)):
        raise InputError("further", f"{key} has a field of its own", "each setting once")
    return {**first, **further}
