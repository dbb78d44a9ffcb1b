"""The form of an exclusion rule: its parameters are fields made from the shapes of the registered rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.text import capfirst

from almond.design.exclusions import EXCLUSIONS
from almond.errors import InputError
from almond.shapes import read
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import Condition, ConditionalFields, when
from lab.fields import choice_field, number_field, whole_field
from studies.exclusions import Exclusion


def parameters_of(rule: str) -> dict[str, dict[str, Any]]:
    """Return what the shape of a rule says of its parameters, by name, as JSON schema."""
    properties = EXCLUSIONS.load(rule).model_json_schema()["properties"]
    return {name: schema for name, schema in properties.items() if name != "kind"}


def field_name(rule: str, parameter: str) -> str:
    return f"{rule}_{parameter}"


def all_parameters() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return field -> (rule, parameter, its schema), over all registered rules."""
    return {
        field_name(rule, name): (rule, name, schema)
        for rule in EXCLUSIONS.names()
        for name, schema in parameters_of(rule).items()
    }


def may_be_empty(schema: Mapping[str, Any]) -> bool:
    return any(option.get("type") == "null" for option in schema.get("anyOf", ()))


def form_field(schema: Mapping[str, Any]) -> Any:
    """Make the form's field for a parameter: a number, a whole number, or one of some texts.

    :raises InputError: a parameter of another type.
    """
    options = [schema, *schema.get("anyOf", ())]
    texts = {"help_text": schema.get("description", ""), "label": capfirst(schema.get("title"))}
    kind = next((option.get("type") for option in options if option.get("type") not in (None, "null")), None)
    if "enum" in schema:
        field = choice_field([(name, name.replace("_", " ")) for name in schema["enum"]], **texts)
    elif kind == "number":
        field = number_field(**texts)
    elif kind == "integer":
        field = whole_field(**texts)
    else:
        raise InputError(
            str(schema.get("title")), f"is of type {kind}", "a number, a whole number or a choice"
        )
    field.initial = schema.get("default")
    return field


class ExclusionForm(ConditionalFields, RowForm):
    """A rule, its place in the order, and the parameters of whichever rule is chosen."""

    class Meta:
        model = Exclusion
        fields = ("rule", "order")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, (rule, name, _) in all_parameters().items():
            if field in self.fields and self.instance.pk and rule == self.instance.rule:
                self.initial[field] = self.instance.parameters.get(name, self.fields[field].initial)

    @classmethod
    def conditions_shown(cls) -> Mapping[str, Condition]:
        return {field: when("rule", rule) for field, (rule, _, _) in all_parameters().items()}

    def clean(self) -> dict[str, Any]:
        """Read the parameters of the chosen rule; what is wrong stands at its field."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        rule = data.get("rule")
        if rule not in EXCLUSIONS.names():
            return data  # its own field says so
        own = parameters_of(str(rule))
        if any(field_name(str(rule), name) in self.errors for name in own):
            return data
        values = {name: data.get(field_name(str(rule), name)) for name in own}
        parameters = {
            name: None if value in (None, "") else value
            for name, value in values.items()
            if value not in (None, "") or may_be_empty(own[name])
        }
        places = {name: field_name(str(rule), name) for name in own}
        with errors_shown_on(self, fields=places, otherwise="rule"):
            shape = read(EXCLUSIONS.load(str(rule)), {"kind": rule, **parameters}, source=f"rule {rule}")
            self.instance.parameters = {name: getattr(shape, name) for name in own}
        return data


def exclusion_form() -> type[ExclusionForm]:
    """Make the form for the rules that are registered now."""
    fields: dict[str, forms.Field] = {
        field: form_field(schema) for field, (_, _, schema) in all_parameters().items()
    }
    return type("ExclusionForm", (ExclusionForm,), dict(fields))
