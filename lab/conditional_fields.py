"""Fields of a form that are shown while another field has certain values.

A form says which, and ``static/js/conditional_fields.js`` shows and hides their rows. The script reads the
deciding field and writes to none: what a hidden field holds is posted as ever, and the form's ``clean``
decides whether it has a meaning. Unfold's own ``conditional_fields`` bind every field of a form to a
variable, and all check boxes of a list of related rows to the same one: a click on a box ticks all of them
and empties their values.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.forms.widgets import Script

ATTRIBUTE = "data-shown-when"


@dataclasses.dataclass(frozen=True)
class Condition:
    """``field`` has one of ``values``, or none of them; nothing typed or not ticked is ``""``.

    A field that is hidden itself meets no condition.
    """

    field: str
    values: tuple[str, ...]
    unless: bool = False


def when(field: str, *values: str) -> Condition:
    """``field`` has one of these values."""
    return Condition(field, values)


def unless(field: str, *values: str) -> Condition:
    """``field`` has none of these values."""
    return Condition(field, values, unless=True)


def filled(field: str) -> Condition:
    """Something is typed into ``field``, or it is ticked."""
    return unless(field, "")


class ConditionalFields:
    """Mixed into a form, before its base class: writes each condition where the script finds it."""

    shown_when: ClassVar[Mapping[str, Condition]] = {}

    class Media:
        js = [Script("js/conditional_fields.js", type="module")]

    @classmethod
    def conditions_shown(cls) -> Mapping[str, Condition]:
        """Return field -> condition; overridden where conditions depend on what is registered."""
        return cls.shown_when

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields = self.fields  # type: ignore[attr-defined]
        for name, condition in self.conditions_shown().items():
            if name in fields and condition.field in fields:
                widget = fields[name].widget
                inner = getattr(widget, "widget", widget)  # the admin wraps those of related rows
                inner.attrs[ATTRIBUTE] = json.dumps({"own": name, **dataclasses.asdict(condition)})
