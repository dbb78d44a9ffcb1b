"""What is asked for in the admin: an export of a study, an analysis of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from analysis.models import AnalysisRun, Export
from studies.models import Study

if TYPE_CHECKING:
    ExportFormBase = forms.ModelForm[Export]
    RunFormBase = forms.ModelForm[AnalysisRun]
else:
    ExportFormBase = RunFormBase = forms.ModelForm


class ExportForm(ExportFormBase):
    study = forms.ModelChoiceField(
        queryset=Study.objects.none(),
        widget=UnfoldAdminSelectWidget,
        help_text="Frozen studies. The export holds what was answered when its job runs.",
    )

    class Meta:
        model = Export
        fields = ["study", "licence", "authors", "citation"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "study" in self.fields:
            frozen = Study.objects.exclude(state=Study.State.DRAFT)
            self.fields["study"].queryset = frozen  # type: ignore[attr-defined]


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
