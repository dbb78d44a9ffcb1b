"""Fields that are shown while another field has certain values: every form that has some."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.forms.widgets import CheckboxSelectMultiple

from lab.conditional_fields import ATTRIBUTE, ConditionalFields, filled, when

FORMS = [page.form for page in admin.site._registry.values() if issubclass(page.form, ConditionalFields)]


class TripForm(ConditionalFields, forms.Form):
    shown_when = {
        "stops": when("means", "train", "bus"),
        "reason": filled("late"),
        "gone": when("nowhere", "x"),
    }
    means = forms.ChoiceField(choices=[("train", "train"), ("bus", "bus"), ("foot", "foot")])
    stops = forms.MultipleChoiceField(choices=[("a", "a"), ("b", "b")], widget=CheckboxSelectMultiple)
    late = forms.BooleanField(required=False)
    reason = forms.CharField(required=False)
    gone = forms.CharField(required=False)


def attributes(form: forms.Form) -> dict[str, Any]:
    marks = {name: field.widget.attrs.get(ATTRIBUTE) for name, field in form.fields.items()}
    return {name: json.loads(mark) for name, mark in marks.items() if mark}


def test_conditions_are_written_where_the_script_finds_them() -> None:
    form = TripForm(prefix="trips-0")
    assert attributes(form) == {
        "stops": {"own": "stops", "field": "means", "values": ["train", "bus"], "unless": False},
        "reason": {"own": "reason", "field": "late", "values": [""], "unless": True},
    }
    assert str(form["stops"]).count(ATTRIBUTE) == 2
    assert "conditional_fields" in str(form.media)
    assert attributes(TripForm()) == attributes(form)


def test_forms_with_conditions_are_known() -> None:
    assert len(FORMS) == 6


@pytest.mark.django_db
@pytest.mark.parametrize("form_class", FORMS, ids=lambda form_class: form_class.__name__)
def test_conditions_name_fields_and_values_that_there_are(form_class: Any) -> None:
    fields = form_class().fields
    for name, condition in form_class.conditions_shown().items():
        assert name in fields
        choices = getattr(fields[condition.field], "choices", None)
        if choices is not None:
            assert set(condition.values) <= {str(value) for value, _ in choices}
    assert set(attributes(form_class())) == set(form_class.conditions_shown())


def test_no_page_binds_its_fields_to_variables() -> None:
    """Unfold's own conditions tick all boxes of a list at once."""
    inlines = [inline for page in admin.site._registry.values() for inline in page.inlines]
    pages = [*admin.site._registry.values(), *inlines]
    assert [page for page in pages if getattr(page, "conditional_fields", None)] == []
