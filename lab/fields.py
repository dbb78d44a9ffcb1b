"""Fields of forms that look like the admin's own; every one may be left empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

Choices = Sequence[tuple[str, str]] | Callable[[], Sequence[tuple[str, str]]]
"""(value, label) of each choice, or a function that lists them whenever the form is shown."""


def text_field(help_text: str = "", *, label: str | None = None, placeholder: str = "") -> Any:
    """Make a field of one line."""
    return forms.CharField(
        label=label,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": placeholder}),
        help_text=help_text,
    )


def lines_field(
    help_text: str = "", *, label: str | None = None, placeholder: str = "", rows: int = 4
) -> Any:
    """Make a field of several lines."""
    return forms.CharField(
        label=label,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": rows, "placeholder": placeholder}),
        help_text=help_text,
    )


def choice_field(
    choices: Choices, help_text: str = "", *, label: str | None = None, initial: str = ""
) -> Any:
    """Make a field of choices."""
    return forms.ChoiceField(
        label=label,
        choices=choices,
        required=False,
        initial=initial,
        widget=UnfoldAdminSelectWidget,
        help_text=help_text,
    )


def whole_field(
    help_text: str = "", *, label: str | None = None, least: int | None = None, placeholder: str = ""
) -> Any:
    """Make a field of a whole number."""
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"placeholder": placeholder}),
        help_text=help_text,
    )


def number_field(
    help_text: str = "", *, label: str | None = None, least: float | None = None, placeholder: str = ""
) -> Any:
    """Make a field of a number."""
    return forms.FloatField(
        label=label,
        required=False,
        min_value=least,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"placeholder": placeholder, "step": "any"}),
        help_text=help_text,
    )
