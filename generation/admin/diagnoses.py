"""The pages of diagnoses: what was asked for, how far it is, the verdict with its reasons."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.decorators import display

from almond.diagnosis.checks import CHECKS
from generation import services
from generation.admin.diagnosis_form import DiagnosisForm, initial_of_encoder, initial_of_recipe
from generation.diagnoses import Diagnosis
from generation.models import Recipe
from generation.services.diagnoses import picture_count
from lab.append_only import Action, AppendOnlyAdmin, actor

SHOWN = [
    *("name", "targets", "judges", "image_set", "film_folder"),
    *("keep_days", "created_at", "finished_at"),
]
COLOURS = {"good": "success", "doubtful": "warning", "bad": "danger", "no verdict": "info"}


def recipe_query(row: Diagnosis) -> str:
    """Write what fills a recipe's form so that it guides as a diagnosis did, with its first prompt."""
    settings = row.diagnosis_settings()
    values = {
        "prompt": settings.prompts[0],
        "generator": settings.generator,
        "targets": ",".join(str(target.pk) for target in row.targets.all()),
        "objective": settings.objective,
        "both_signs": settings.both_signs or "",
        "strengths": ", ".join(f"{value:g}" for value in settings.ordered_strengths),
        "window_low": settings.window[0],
        "window_high": settings.window[1],
        "ramp": settings.ramp,
        "steps": settings.steps,
        "rule": settings.rule,
    }
    return urlencode({name: str(value) for name, value in values.items()})


@admin.register(Diagnosis)
class DiagnosisAdmin(AppendOnlyAdmin):
    form = DiagnosisForm
    list_display = ["name", "shown_verdict", "state", "created_at", "report"]
    list_select_related = ["job"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/generation/diagnosis.html"

    @display(description="verdict", label=COLOURS)
    def shown_verdict(self, row: Diagnosis) -> str:
        return row.verdict

    @display(description="state")
    def state(self, row: Diagnosis) -> str:
        return row.job.state if row.job else ""

    @display(description="report")
    def report(self, row: Diagnosis) -> SafeString | str:
        return format_html('<a href="{}">report</a>', row.get_absolute_url()) if row.is_ready else ""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": SHOWN})]
        guidance = ["strengths", ("window_low", "window_high"), "ramp", "steps", "rule"]
        return [
            (None, {"fields": ["name", "generator", "prompts", "seeds"]}),
            ("Targets", {"fields": ["targets", "judges", "objective", "both_signs"]}),
            ("Guidance", {"fields": guidance}),
            ("Beside it", {"fields": ["image_set", "film_folder"]}),
            ("Size", {"fields": ["unguided", "interpolations", "permutations", "keep_days"]}),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill the form from ``?recipe=`` or ``?encoder=``, the numbers of their rows."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        recipe, encoder = (request.GET.get(name, "") for name in ("recipe", "encoder"))
        if recipe.isdecimal() and (row := Recipe.objects.filter(pk=int(recipe)).first()):
            return {**initial, **initial_of_recipe(row)}
        return {**initial, **initial_of_encoder(int(encoder))} if encoder.isdecimal() else initial

    def create(self, data: dict[str, Any], request: HttpRequest) -> Diagnosis:
        return services.start_diagnosis(
            name=data["name"],
            targets=data["targets"],
            settings=data["settings"],
            judges=data["judges"] or None,
            image_set=data["image_set"],
            film_folder=data["film_folder"],
            keep_days=data["keep_days"],
            by=actor(request),
        )

    def row_actions(self) -> dict[str, Action]:
        return {"resume": self.resume}

    def resume(self, request: HttpRequest, row: Diagnosis) -> None:
        services.resume_diagnosis(diagnosis=row, by=actor(request))
        messages.success(request, "The diagnosis goes on at the first missing picture.")

    def page(self, request: HttpRequest, row: Diagnosis) -> dict[str, Any]:
        settings = row.diagnosis_settings()
        made: dict[str, Any] = row.result.get("checks", {})
        checks = [made[name] for name in CHECKS if name in made]
        return {
            "settings": settings,
            "pictures": picture_count(settings, row.targets.count()),
            "recipe_query": recipe_query(row),
            "deciding": [check for check in checks if check["decides"]],
            "beside": [check for check in checks if not check["decides"]],
        }
