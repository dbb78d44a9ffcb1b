"""What is edited inside the page of a draft: blocks, hypotheses, exclusion rules, texts of the plan."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import StackedInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from lab.append_only import RowForm
from studies.admin.block_form import BRANCHING, BlockFormSet, block_form, setting_rows, settings_in_words
from studies.admin.exclusion_form import all_parameters, exclusion_form
from studies.constructs import Construct, ConstructText
from studies.exclusions import Exclusion
from studies.information import Information
from studies.models import Arm, Block, Study
from studies.preregistrations import Hypothesis, Preregistration


class DraftInline(StackedInline):
    """Rows of a study that may change only while it is a draft."""

    form = RowForm
    extra = 0

    def may_edit(self, study: Study | None) -> bool:
        return study is None or study.is_draft

    def shows_anything(self, request: HttpRequest, study: Study | None) -> bool:
        """Tell whether there are rows to show, or some may be added; else there is but an empty heading."""
        return self.has_add_permission(request, study) or self.model.objects.filter(study=study).exists()

    def has_add_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        return self.may_edit(obj) and bool(super().has_add_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        return self.may_edit(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        return self.may_edit(obj) and bool(super().has_delete_permission(request, obj))


class BlockInline(DraftInline):
    model = Block
    formset = BlockFormSet
    readonly_fields = ["settings_of_kind"]

    def get_formset(self, request: HttpRequest, obj: Study | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, **{**kwargs, "form": block_form()})

    def get_fields(self, request: HttpRequest, obj: Study | None = None) -> list[Any]:
        """List the settings of every kind, of which the form shows those of the chosen one."""
        own = [*setting_rows(), tuple(BRANCHING)] if self.may_edit(obj) else [("settings_of_kind",)]
        asked = [("trials", "repeats"), ("image_set", "most_of_scene"), "asked_of", "constructs"]
        return [("kind", "name"), *asked, *own, "instructions", ("order", "arms")]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.get_internal_type() == "TextField":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 3})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description="settings of its kind")
    def settings_of_kind(self, row: Block) -> str:
        return settings_in_words(row)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        return super().formfield_for_manytomany(db_field, request, **kwargs)


NATURAL_DIRECTIONS = {
    "greater": "greater: a positive relation",
    "less": "less: a negative relation",
}
"""What directions of a hypothesis say of photographs, which nobody manipulated."""


class ArmInline(DraftInline):
    model = Arm
    fields = [("name", "weight")]


class HypothesisInline(DraftInline):
    model = Hypothesis

    def get_formset(self, request: HttpRequest, obj: Study | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        if obj is not None and obj.image_set is not None and "direction" in formset.form.base_fields:
            field = formset.form.base_fields["direction"]
            field.choices = [(name, NATURAL_DIRECTIONS.get(name, label)) for name, label in field.choices]
        return formset

    fields = [
        ("name", "test", "direction"),
        "text",
        ("target", "construct"),
        ("criterion", "parameter"),
    ]


class ExclusionInline(DraftInline):
    model = Exclusion
    readonly_fields = ["in_words"]

    def get_formset(self, request: HttpRequest, obj: Study | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, **{**kwargs, "form": exclusion_form()})

    def get_fields(self, request: HttpRequest, obj: Study | None = None) -> list[Any]:
        """List the parameters of every rule, of which the form shows those of the chosen one."""
        return ["rule", "order", *(all_parameters() if self.may_edit(obj) else ["in_words"])]

    @display(description="who is left out")
    def in_words(self, row: Exclusion) -> str:
        return row.planned().words()


class InformationInline(DraftInline):
    """One form: what the page of consent says beside the text, and who is let in by their device."""

    model = Information
    can_delete = False
    min_num = max_num = 1
    hide_title = True
    fields = [
        ("researchers", "contact"),
        ("ethics", "payment"),
        ("minutes", "devices"),
        ("least_width", "least_height"),
    ]


class ConstructTextInline(StackedInline):
    """A construct in other languages. Those that a frozen study shows stay as they are."""

    model = ConstructText
    form = RowForm
    extra = 0
    fields = ["language", "question", ("low", "high"), "choice"]

    def has_change_permission(self, request: HttpRequest, obj: Construct | None = None) -> bool:
        return not (obj and obj.is_shown) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Construct | None = None) -> bool:
        return not (obj and obj.is_shown) and bool(super().has_delete_permission(request, obj))


NOTHING_MANIPULATED = "Of photographs nothing is manipulated. Empty: the document says so."


class PreregistrationInline(DraftInline):
    """One form: a study has one preregistration, so that no other can be added."""

    model = Preregistration
    can_delete = False
    min_num = max_num = 1
    hide_title = True
    fields = [
        ("study_type", "design"),
        ("blinding", "additional_blinding"),
        ("randomization", "procedures"),
        ("existing_data", "existing_data_explained"),
        "sample_size_reason",
        ("stop_on", "looks"),
        ("half_width", "precision_every"),
        "precision_then",
        ("manipulated", "measured"),
        ("indices", "statistical_models"),
        ("transformations", "correction"),
        ("exclusions", "missing_data"),
        ("exploratory", "other"),
    ]

    def get_formset(self, request: HttpRequest, obj: Study | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        if obj is not None and obj.image_set is not None and "manipulated" in formset.form.base_fields:
            formset.form.base_fields["manipulated"].help_text = NOTHING_MANIPULATED
        return formset

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.get_internal_type() == "TextField":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 2})
        return super().formfield_for_dbfield(db_field, request, **kwargs)
