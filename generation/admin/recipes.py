"""The pages of recipes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from almond.guidance.methods import declared, settings_of
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.penalties import PENALTIES
from almond.guidance.rules import RULES
from almond.guidance.searches import SEARCHES
from almond.world.prompts import FILLERS, vocabulary
from generation import services
from generation.admin.forms import RecipeForm
from generation.admin.methods import VIEW_FIELDS, penalty_field, search_settings, setting_field
from generation.admin.preview import cost_of_recipe, preview_of, strength_warnings, words_of_prompt
from generation.models import Recipe
from lab.append_only import Action, AppendOnlyAdmin, actor

GUIDED = (
    *("generator", "strengths", "window", "ramp", "steps"),
    *("rule", "objective", "settings", "search", "penalties", "view"),
)
"""What is taken from the form as it is."""

PENALTY_HELP = (
    "Each weight mu takes a change from the unguided prediction of the same step off the objective. All "
    "of them together need one more unguided trajectory per scene."
)
VIEW_HELP = "How the predicted image is looked at before it is scored. Scores are computed once per copy."


@admin.register(Recipe)
class RecipeAdmin(AppendOnlyAdmin):
    form = RecipeForm
    list_display = ["name", "prompt", "target_names", "image_count", "generator", "created_at"]
    search_fields = ["name", "prompt"]
    change_form_outer_before_template = "admin/generation/recipe.html"

    class Media:
        js = ["js/recipe.js"]

    @display(description="targets")
    def target_names(self, row: Recipe) -> str:
        return ", ".join(target.name for target in row.targets.all())

    @display(description="images")
    def image_count(self, row: Recipe) -> int:
        return row.images

    @display(description="seeds")
    def seed_list(self, row: Recipe) -> str:
        return ", ".join(map(str, row.seeds))

    @display(description="strengths")
    def strength_list(self, row: Recipe) -> str:
        return ", ".join(f"{value:g}" for value in row.strengths)

    @display(description="asks for")
    def objective_help(self, row: Recipe) -> str:
        return declared(OBJECTIVES, row.objective).summary

    @display(description="settings")
    def setting_list(self, row: Recipe) -> str:
        usual = settings_of([(RULES, row.rule), (OBJECTIVES, row.objective), (SEARCHES, row.search)])
        values = {name: row.settings.get(name, item.default) for name, item in usual.items()}
        return ", ".join(f"{name} = {value:g}" for name, value in values.items()) or "none"

    @display(description="penalties")
    def penalty_list(self, row: Recipe) -> str:
        return ", ".join(f"{name} {mu:g}" for name, mu in row.penalties.items()) or "none"

    @display(description="view")
    def view_list(self, row: Recipe) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in row.view.items()) or "as it is"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = ["seed_list", "strength_list", "objective_help", "setting_list", "penalty_list", "view_list"]
        return shown if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        seeds, strengths = ("seed_list", "strength_list") if obj else ("seeds", "strengths")
        level, further = ("objective_help", "setting_list") if obj else ("level", "further")
        guidance = [strengths, ("window_low", "window_high"), "ramp", "steps", "rule", further]
        sections = [
            (None, {"fields": ["name", "prompt", seeds, "generator"]}),
            ("Targets", {"fields": ["targets", "objective", level, "both_signs"]}),
            ("Guidance", {"fields": guidance}),
        ]
        if obj:
            return [*sections, ("Search", {"fields": ["search", "penalty_list", "view_list"]})]
        searched = [setting_field(search, name) for search, name, _ in search_settings()]
        penalties = [penalty_field(name) for name in PENALTIES]
        view = [field for field, _, _ in VIEW_FIELDS.values()]
        return [
            *sections,
            ("Search", {"fields": ["search", *searched]}),
            ("Penalties", {"fields": penalties, "description": PENALTY_HELP}),
            ("View", {"fields": view, "description": VIEW_HELP}),
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Recipe:
        for problem in strength_warnings(data, targets=list(data["targets"])):
            messages.warning(request, problem)
        return services.create_recipe(
            name=data["name"],
            prompt=data["prompt"],
            seeds=data["seed_list"],
            targets=data["targets"],
            both_signs=data["both_signs"],
            **{name: data[name] for name in GUIDED},
            by=actor(request),
        )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("preview/", wrap(self.preview), name="generation_recipe_preview"),
            path("vocabulary/", wrap(self.vocabulary), name="generation_recipe_vocabulary"),
            *super().get_urls(),
        ]

    def preview(self, request: HttpRequest) -> JsonResponse:
        """Say what the settings of a form would make, for someone who may add recipes; nothing is stored."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return JsonResponse(preview_of(request.GET))

    def vocabulary(self, request: HttpRequest) -> TemplateResponse:
        """List the words that the embedded generators know."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Words that the embedded generators know",
            "attributes": [(name, list(values.items())) for name, values in vocabulary().items()],
            "fillers": sorted(FILLERS),
        }
        return TemplateResponse(request, "admin/generation/vocabulary.html", context)

    def row_actions(self) -> dict[str, Action]:
        return {"generate": self.generate}

    def generate(self, request: HttpRequest, row: Recipe) -> HttpResponse:
        batch = services.start_batch(recipes=[row], by=actor(request))
        messages.success(request, f"{batch.planned} images are being made.")
        return redirect(self.address(batch))

    def page(self, request: HttpRequest, row: Recipe) -> dict[str, Any]:
        return {
            "batches": row.batches.select_related("job"),
            "cost": cost_of_recipe(row),
            "words": words_of_prompt(row.generator, row.prompt),
        }
