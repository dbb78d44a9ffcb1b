"""What is asked for before studies are simulated: sizes, effects, and the raters that are assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from almond.design.power_settings import check_settings
from almond.shapes import ShapeError, read
from almond.world.rater_model import RaterModel
from analysis.models import PowerRun
from analysis.services.power import plan_now
from lab.append_only import errors_shown_on, problems_of
from studies.models import Study

if TYPE_CHECKING:
    PowerFormBase = forms.ModelForm[PowerRun]
else:
    PowerFormBase = forms.ModelForm

MOST_STUDIES = 5000


def rater_settings(shape: type[BaseModel] = RaterModel, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted path and the field of every setting of a rater model."""
    for name, field in shape.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from rater_settings(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def field_name(path: str) -> str:
    return path.replace(".", "_")


def rater_field(path: str, field: FieldInfo) -> forms.Field:
    """Make the form field of one setting, with its default."""
    words: dict[str, Any] = {
        "initial": field.default,
        "help_text": f"{(field.description or '').capitalize()}.",
        "label": path.rpartition(".")[2].replace("_", " ").capitalize().replace(" sd", " SD"),
    }
    if isinstance(field.default, bool):
        return forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget, **words)
    if isinstance(field.default, int):
        return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget, **words)
    return forms.FloatField(widget=UnfoldAdminTextInputWidget, **words)


RATER_FIELDS = {field_name(path): rater_field(path, field) for path, field in rater_settings()}
RaterFields = type("RaterFields", (forms.Form,), dict(RATER_FIELDS))
"""The fields of a rater model, for the form below."""


class NumbersField(forms.CharField):
    """Numbers in one line, with commas between."""

    def __init__(self, kind: type[int] | type[float], **more: Any) -> None:
        super().__init__(widget=UnfoldAdminTextInputWidget, **more)
        self.kind = kind

    def clean(self, value: Any) -> Any:
        """Return the numbers; ``ValidationError`` for anything else."""
        text = super().clean(value)
        try:
            return [self.kind(part) for part in text.split(",") if part.strip()]
        except ValueError as error:
            whole = "whole numbers" if self.kind is int else "numbers"
            raise ValidationError(f"“{text}” is not a list of {whole} with commas between.") from error


class PowerRunForm(RaterFields, PowerFormBase):  # type: ignore[misc,valid-type]
    study = forms.ModelChoiceField(
        queryset=Study.objects.none(),
        widget=UnfoldAdminSelectWidget,
        help_text="Its design is simulated as it stands now.",
    )
    effects = NumbersField(
        float,
        initial="0.2, 0.35, 0.5",
        help_text="In standard deviations of one rating. Studies without effect run beside them.",
    )
    people = NumbersField(
        int,
        label="Participants",
        initial="20, 40, 80",
        required=False,
        help_text="Beside the planned number, with the planned themes.",
    )
    themes = NumbersField(
        int,
        initial="6, 12, 20",
        required=False,
        help_text="Beside the planned number, with the planned participants.",
    )
    studies = forms.IntegerField(
        initial=200,
        min_value=2,
        max_value=MOST_STUDIES,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="For each number and effect. A hundred of 40 people and 12 themes take ten seconds.",
    )
    seed = forms.IntegerField(initial=1, min_value=0, widget=UnfoldAdminIntegerFieldWidget)

    class Meta:
        model = PowerRun
        fields = ["study"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "study" in self.fields:
            self.fields["study"].queryset = Study.objects.all()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Read the rater model, and check everything that the service will check."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return data
        try:
            data["raters"] = read(RaterModel, rater_values(data), source="raters")
        except ShapeError as error:
            for path, words in problems_of(error):
                self.add_error(field_name(path), words)
            return data
        numbers = {name: data[name] for name in ("people", "themes", "effects", "studies", "seed")}
        with errors_shown_on(self):
            study = data["study"]
            check_settings(plan_now(study), data["raters"], lists=study.n_lists, **numbers)
        return data


def rater_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the settings of a rater model from a form's data."""
    values: dict[str, Any] = {}
    for path, _ in rater_settings():
        section, _, name = path.rpartition(".")
        place = values.setdefault(section, {}) if section else values
        place[name] = data[field_name(path)]
    return values
