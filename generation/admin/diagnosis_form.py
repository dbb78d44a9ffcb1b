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
from almond.guidance.generators import DEFAULT_GENERATOR, defaults_of, known_generators
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.shapes import read
from encoder.models import Target
from generation.admin.forms import read_seeds
from generation.diagnoses import Diagnosis
from generation.models import Recipe
from generation.services.diagnoses import check_diagnosis, check_judges
from lab.append_only import RowForm, errors_shown_on
from lab.typed_values import read_numbers

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


class DiagnosisForm(RowForm):
    generator = forms.CharField(initial=DEFAULT_GENERATOR, widget=UnfoldAdminTextInputWidget)
    prompts = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="One per line. Prompts are the units of every test: three at least, six or more for p "
        "values below .05.",
    )
    seeds = forms.CharField(
        initial="1-2",
        widget=UnfoldAdminTextInputWidget,
        help_text="Guided scenes of every prompt, for example 1-2.",
    )
    strengths = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "as calibrated for the generator"}),
        help_text="For example 0.03, 0.06, 0.12: where they stop gaining is found.",
    )
    window_low = forms.FloatField(
        label="Window from",
        required=False,
        min_value=0,
        max_value=1,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "as calibrated"}),
        help_text="In alpha-bar: 0 is noise, 1 the finished image.",
    )
    window_high = forms.FloatField(
        label="Window to",
        required=False,
        min_value=0,
        max_value=1,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "as calibrated"}),
        help_text="What guidance does after that is measured too.",
    )
    ramp = forms.FloatField(
        required=False,
        min_value=0,
        max_value=0.5,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "as calibrated"}),
    )
    steps = forms.IntegerField(required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget)
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
        fields = ["name", "targets", "judges", "image_set", "film_folder"]
        widgets = {
            "targets": UnfoldAdminCheckboxSelectMultipleWidget,
            "judges": UnfoldAdminCheckboxSelectMultipleWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "targets" in self.fields:
            self.fields["targets"].queryset = Target.objects.guides()  # type: ignore[attr-defined]
            self.fields["judges"].queryset = Target.objects.judges()  # type: ignore[attr-defined]
            self.fields["judges"].help_text = (
                "Empty: the judges of the guides' encoder; where there are none, subjects are left out to "
                "make them."
            )
            self.fields["generator"].help_text = known_generators("the folder of a diffusers pipeline") + "."

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        with errors_shown_on(self):
            data["seed_list"] = read_seeds(data.get("seeds", ""))
        with errors_shown_on(self):
            data["strength_list"] = read_numbers(data.get("strengths", ""), "strengths")
        if not self.errors:
            with errors_shown_on(self, fields={"window": "window_low"}):
                data["settings"] = read(DiagnosisSettings, self._values(data), source="diagnosis")
                check_diagnosis(guides=list(data["targets"]), settings=data["settings"])
                check_judges(list(data["targets"]), list(data["judges"]))
        return data

    def _values(self, data: dict[str, Any]) -> dict[str, Any]:
        """Collect the settings; what was left empty is as the generator was calibrated."""
        usual = defaults_of(data["generator"])
        low, high, ramp, steps = (data[name] for name in ("window_low", "window_high", "ramp", "steps"))
        same = ("generator", "rule", "both_signs", "unguided", "interpolations", "permutations")
        return {
            **{name: data[name] for name in same},
            "objective": data["objective"],
            "prompts": prompt_lines(data["prompts"]),
            "seeds": data["seed_list"],
            "strengths": data["strength_list"] or list(usual.strengths),
            "window": (usual.window[0] if low is None else low, usual.window[1] if high is None else high),
            "ramp": usual.ramp if ramp is None else ramp,
            "steps": usual.steps if steps is None else steps,
        }
