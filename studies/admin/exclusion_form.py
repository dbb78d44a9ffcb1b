"""The form of an exclusion rule: its parameters are fields made from the shapes of the registered rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from almond.design.exclusions import EXCLUSIONS
from almond.shapes import read
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import Condition, ConditionalFields, when
from lab.parameter_fields import Schema, form_field, parameter_schemas, read_parameters
from studies.exclusions import Exclusion


def parameters_of(rule: str) -> dict[str, Schema]:
    """Return what the shape of a rule says of its parameters, by name, as JSON schema."""
    return parameter_schemas(EXCLUSIONS.load(rule), without=["kind"])


def field_name(rule: str, parameter: str) -> str:
    return f"{rule}_{parameter}"


def all_parameters() -> dict[str, tuple[str, str, Schema]]:
    """Return field -> (rule, parameter, its schema), over all registered rules."""
    return {
        field_name(rule, name): (rule, name, schema)
        for rule in EXCLUSIONS.names()
        for name, schema in parameters_of(rule).items()
    }


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
        own = {field_name(str(rule), name): (name, schema) for name, schema in parameters_of(rule).items()}
        if any(field in self.errors for field in own):
            return data
        places = {name: field for field, (name, _) in own.items()}
        with errors_shown_on(self, fields=places, otherwise="rule"):
            values = {"kind": rule, **read_parameters(data, own)}
            shape = read(EXCLUSIONS.load(str(rule)), values, source=f"rule {rule}")
            self.instance.parameters = {name: getattr(shape, name) for name in places}
        return data


def exclusion_form() -> type[ExclusionForm]:
    """Make the form for the rules that are registered now."""
    fields: dict[str, forms.Field] = {
        field: form_field(schema) for field, (_, _, schema) in all_parameters().items()
    }
    return type("ExclusionForm", (ExclusionForm,), dict(fields))
