"""What is asked for in the admin: an export of a study, an analysis of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from analysis.models import AnalysisRun, Export
from analysis.services import blocked
from studies.models import Study
from studies.services.blind import standing

if TYPE_CHECKING:
    ExportFormBase = forms.ModelForm[Export]
    RunFormBase = forms.ModelForm[AnalysisRun]
else:
    ExportFormBase = RunFormBase = forms.ModelForm


class ExportForm(ExportFormBase):
    study = forms.ModelChoiceField(
        queryset=Study.objects.none(),
        widget=UnfoldAdminSelectWidget,
        help_text="Studies that are closed, unlocked, or at a planned look, and rehearsals. The export holds "
        "what was answered when its job runs.",
    )

    class Meta:
        model = Export
        fields = ["study", "licence", "authors", "citation"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "study" in self.fields:
            frozen = Study.objects.exclude(state=Study.State.DRAFT)
            self.fields["study"].queryset = frozen  # type: ignore[attr-defined]

    def clean_study(self) -> Study:
        """Say at the field why a study that is blind gives no export."""
        study: Study = self.cleaned_data["study"]
        if reason := standing(study).reason:
            raise forms.ValidationError(f"The study {reason}.")
        return study


class AnalysisRunForm(RunFormBase):
    export = forms.ModelChoiceField(queryset=Export.objects.none(), widget=UnfoldAdminSelectWidget)
    permutations = forms.IntegerField(
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Empty: as the plan says. Any other number makes the analysis exploratory.",
    )

    class Meta:
        model = AnalysisRun
        fields = ["export", "permutations"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "export" in self.fields:
            ready = Export.objects.filter(finished_at__isnull=False)
            self.fields["export"].queryset = ready  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Say at the export why it is not analysed before the end."""
        data: dict[str, Any] = super().clean() or {}
        if (export := data.get("export")) and (reason := blocked(export)):
            self.add_error("export", reason)
        return data
