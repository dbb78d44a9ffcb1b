"""What is asked for before a set-up is diagnosed; filled from a recipe or an encoder's guides."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from almond.diagnosis.settings import DIAGNOSED, DiagnosisSettings
from almond.guidance.generators import DEFAULT_GENERATOR
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.shapes import read
from encoder.models import Target
from generation.admin.guidance_form import GuidanceForm, with_calibration
from generation.diagnoses import Diagnosis
from generation.models import Recipe
from generation.services.diagnoses import check_diagnosis, check_judges
from lab.append_only import errors_shown_on

USUAL = {name: field.default for name, field in DiagnosisSettings.model_fields.items()}


def prompt_lines(text: str) -> list[str]:
    """Split a text into prompts, one per line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def initial_of_recipe(recipe: Recipe) -> dict[str, Any]:
    """Fill the form as a recipe guides, with its prompt as the first."""
    return {
        "name": f"{recipe.name}, diagnosed",
        "targets": [target.pk for target in recipe.targets.all()],
        "generator": recipe.generator,
        "prompts": recipe.prompt,
        "seeds": ", ".join(str(seed) for seed in recipe.seeds[:2]),
        "strengths": ", ".join(f"{value:g}" for value in recipe.strengths),
        "window_low": recipe.window_low,
        "window_high": recipe.window_high,
        "ramp": recipe.ramp,
        "steps": recipe.steps,
        "rule": recipe.rule,
        "objective": recipe.objective if recipe.objective in DIAGNOSED else DEFAULT_OBJECTIVE,
        "both_signs": recipe.both_signs,
    }


def initial_of_encoder(encoder: int) -> dict[str, Any]:
    """Fill the form with the guides of an encoder."""
    return {"targets": list(Target.objects.guides().filter(encoder=encoder).values_list("pk", flat=True))}


class DiagnosisForm(GuidanceForm):
    generator = forms.CharField(initial=DEFAULT_GENERATOR, widget=UnfoldAdminTextInputWidget)
    prompts = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="One per line. Prompts are the units of every test: three at least, six or more for p "
        "values below .05.",
    )
    rule = forms.ChoiceField(choices=RULES.choices, initial=DEFAULT_RULE, widget=UnfoldAdminSelectWidget)
    objective = forms.ChoiceField(
        choices=[choice for choice in OBJECTIVES.choices() if choice[0] in DIAGNOSED],
        initial=DEFAULT_OBJECTIVE,
        widget=UnfoldAdminSelectWidget,
        help_text="What is asked of the other targets.",
    )
    both_signs = forms.BooleanField(
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Also guide towards lower scores.",
    )
    unguided = forms.IntegerField(
        initial=USUAL["unguided"],
        min_value=4,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Unguided pictures over all prompts: their spread is the unit of every score.",
    )
    interpolations = forms.IntegerField(
        initial=USUAL["interpolations"],
        min_value=0,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Prompts whose pictures are drawn between two noises, ten each.",
    )
    permutations = forms.IntegerField(
        initial=USUAL["permutations"], min_value=19, widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = Diagnosis
        fields = ["name", "targets", "judges", "image_set", "film_folder", "keep_days"]
        widgets = {
            "targets": UnfoldAdminCheckboxSelectMultipleWidget,
            "judges": UnfoldAdminCheckboxSelectMultipleWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "judges" in self.fields:
            texts = {
                "seeds": "Guided scenes of every prompt, for example 1-2.",
                "strengths": "For example 0.03, 0.06, 0.12: where they stop gaining is found.",
                "window_high": "What guidance does after that is measured too.",
            }
            for name, text in texts.items():
                self.fields[name].help_text = text
            self.fields["seeds"].initial = "1-2"
            self.fields["judges"].queryset = Target.objects.judges()  # type: ignore[attr-defined]
            self.fields["judges"].help_text = (
                "Empty: the judges of the guides' encoder; where there are none, subjects are left out to "
                "make them."
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.errors:
            with errors_shown_on(self, fields={"window": "window_low"}):
                data["settings"] = read(DiagnosisSettings, self._values(data), source="diagnosis")
                check_diagnosis(guides=list(data["targets"]), settings=data["settings"])
                check_judges(list(data["targets"]), list(data["judges"]))
        return data

    def _values(self, data: dict[str, Any]) -> dict[str, Any]:
        """Collect the settings; what was left empty is as the generator was calibrated."""
        same = ("generator", "rule", "objective", "both_signs", "unguided", "interpolations", "permutations")
        return {
            **{name: data[name] for name in same},
            "prompts": prompt_lines(data["prompts"]),
            "seeds": data["seed_list"],
            **with_calibration(data),
        }
