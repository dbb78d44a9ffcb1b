"""What is edited of recruiting and paying, on a draft's page and on one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.formsets import INITIAL_FORM_COUNT, TOTAL_FORM_COUNT
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.admin import StackedInline, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from almond.errors import InputError
from almond.shapes import read
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import Condition, ConditionalFields, filled, when
from lab.fields import text_field
from ratings.models import EndPage, RecruitingPlan
from ratings.recruiting import RECRUITERS
from ratings.recruiting.bonuses import BONUSES
from ratings.services.recruiting.ends import make_codes
from studies.admin import StudyAdmin
from studies.models import Study


def settings_of(recruiter: str) -> dict[str, dict[str, Any]]:
    """Return what the shape of a recruiter says of its settings, by name, as JSON schema."""
    properties = RECRUITERS.load(recruiter).model_json_schema()["properties"]
    return {name: schema for name, schema in properties.items() if name != "kind"}


def all_settings() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return field -> (recruiter, setting, its schema), over all registered recruiters."""
    return {
        f"{recruiter}_{name}": (recruiter, name, schema)
        for recruiter in RECRUITERS.names()
        for name, schema in settings_of(recruiter).items()
    }


def setting_field(schema: Mapping[str, Any]) -> Any:
    """Make the form's field for a setting, which is a text.

    :raises InputError: a setting of another type.
    """
    if schema.get("type") != "string":
        raise InputError(str(schema.get("title")), f"is of type {schema.get('type')}", "a text")
    field = text_field(schema.get("description", ""), label=capfirst(schema.get("title")))
    field.initial = schema.get("default")
    return field


class RecruitingForm(ConditionalFields, RowForm):
    """Who recruits, the settings of whoever is chosen, and money."""

    class Meta:
        model = RecruitingPlan
        fields = (
            *("recruiter", "end_after_time_out", "currency", "fee_percent", "budget"),
            *("bonus_rule", "bonus_amount", "bonus_per"),
        )
        help_texts = {
            "recruiter": "Once saved, its link and the codes stand on the page “Recruiting and paying”."
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, (recruiter, name, _) in all_settings().items():
            if field in self.fields and self.instance.pk and recruiter == self.instance.recruiter:
                self.initial[field] = self.instance.parameters.get(name, self.fields[field].initial)

    @classmethod
    def conditions_shown(cls) -> Mapping[str, Condition]:
        counting = [name for name, rule in BONUSES.items() if rule.counts]
        return {
            **{field: when("recruiter", recruiter) for field, (recruiter, _, _) in all_settings().items()},
            "bonus_amount": filled("bonus_rule"),
            "bonus_per": when("bonus_rule", *counting),
        }

    def clean(self) -> dict[str, Any]:
        """Read the settings of the chosen recruiter; what is wrong stands at its field."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        recruiter = data.get("recruiter")
        if recruiter not in RECRUITERS.names():
            return data  # its own field says so
        values = {name: str(data.get(f"{recruiter}_{name}") or "").strip() for name in settings_of(recruiter)}
        values = {name: value for name, value in values.items() if value}
        places = {name: f"{recruiter}_{name}" for name in settings_of(recruiter)}
        with errors_shown_on(self, fields=places, otherwise="recruiter"):
            read(RECRUITERS.load(recruiter), {"kind": recruiter, **values}, source=f"recruiter {recruiter}")
            self.instance.parameters = values
        return data


def recruiting_form() -> type[RecruitingForm]:
    """Make the form for the recruiters that are registered now."""
    fields: dict[str, forms.Field] = {
        field: setting_field(schema) for field, (_, _, schema) in all_settings().items()
    }
    return type("RecruitingForm", (RecruitingForm,), dict(fields))


class BesideTheStudy(BaseInlineFormSet):
    """Rows beside a study: where a posted page has none of their fields, they stay as they are."""

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        prefix = kwargs.get("prefix") or self.get_default_prefix()
        if data is not None and f"{prefix}-{TOTAL_FORM_COUNT}" not in data:
            nothing = {f"{prefix}-{name}": "0" for name in (TOTAL_FORM_COUNT, INITIAL_FORM_COUNT)}
            data = {**data.dict(), **nothing}
        super().__init__(data, *args, **kwargs)


class RecruitingInline(StackedInline):
    """One form: a study has one plan of recruiting and paying."""

    model = RecruitingPlan
    form = RecruitingForm
    formset = BesideTheStudy
    can_delete = False
    min_num = max_num = 1
    hide_title = True

    def shows_anything(self, request: HttpRequest, study: Study | None) -> bool:
        """Tell whether the form stands on a study's own page: while it is a draft, and else on one apart."""
        return study is None or study.is_draft

    def get_formset(self, request: HttpRequest, obj: Study | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, **{**kwargs, "form": recruiting_form()})

    def get_fields(self, request: HttpRequest, obj: Study | None = None) -> list[Any]:
        return [
            "recruiter",
            *all_settings(),
            "end_after_time_out",
            ("currency", "budget"),
            "fee_percent",
            "bonus_rule",
            "bonus_amount",
            "bonus_per",
        ]


class EndPageFormSet(BesideTheStudy):
    """The end pages of a study. Saved last, they get the codes that the chosen recruiter needs."""

    def save(self, commit: bool = True) -> Any:
        rows = super().save(commit)
        if commit:
            make_codes(study=Study.objects.get(pk=self.instance.pk), by=None)
        return rows


class EndPageInline(TabularInline):
    """One row for each outcome of which something is not the usual."""

    model = EndPage
    form = RowForm
    formset = EndPageFormSet
    extra = 0
    hide_title = True
    fields = ["outcome", "code", "pay", "text", "link"]

    def shows_anything(self, request: HttpRequest, study: Study | None) -> bool:
        """Tell whether the forms stand on a study's own page: while it is a draft."""
        return study is None or study.is_draft

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "text":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 2})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


# The page of a study knows nothing of this app, which stands above it: what belongs there comes from here.
StudyAdmin.inlines = [*StudyAdmin.inlines, RecruitingInline, EndPageInline]
