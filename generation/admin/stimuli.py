"""The pages of single images: scores, trace of the guidance, provenance; and of an image over its steps."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from almond.attribution.methods import DEFAULT_METHOD, METHODS
from generation import services
from generation.admin.pictures import DIRECTIONS, label_of, score_bars, steps_plot, trace_plot
from generation.models import Stimulus
from generation.step_views import StepView
from lab.append_only import Action, AppendOnlyAdmin, actor


@admin.register(Stimulus)
class StimulusAdmin(AppendOnlyAdmin):
    list_display = ["thumbnail", "name", "intended_target", "side", "strength", "source", "digest_start"]
    list_display_links = ["thumbnail", "name"]
    list_filter = ["intended_target", "direction", "batches", "image_set"]
    list_select_related = ["image_set"]
    list_per_page = 50
    search_fields = ["name", "digest", "prompt", "recipe_digest"]
    change_form_outer_before_template = "admin/generation/stimulus.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return []

    @display(description="")
    def thumbnail(self, row: Stimulus) -> SafeString:
        return format_html('<img class="al-thumb" src="{}" alt="" loading="lazy">', row.url)

    @display(description="direction", ordering="direction", label={"up": "warning", "down": "info"})
    def side(self, row: Stimulus) -> str:
        return DIRECTIONS[row.direction] if row.image_set is None else ""

    @display(description="from")
    def source(self, row: Stimulus) -> str:
        return row.image_set.name if row.image_set else row.prompt

    @display(description="digest")
    def digest_start(self, row: Stimulus) -> str:
        return row.digest[:12]

    def row_actions(self) -> dict[str, Action]:
        return {"steps": self.steps}

    def steps(self, request: HttpRequest, row: Stimulus) -> HttpResponse:
        """Ask for the picture over its steps, and go to that page."""
        view = services.start_step_view(
            stimulus=row,
            target=request.POST.get("target", ""),
            method=request.POST.get("method", DEFAULT_METHOD),
            by=actor(request),
        )
        return redirect(self.address(view))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def scores_to_show(self, row: Stimulus) -> list[str]:
        """List the scores of a generated picture, that of its target first."""
        names = list(row.score_digests) if row.recipe_json else []
        return sorted(names, key=lambda name: (name != row.intended_target, name))

    def page(self, request: HttpRequest, row: Stimulus) -> dict[str, Any]:
        window = row.recipe_json.get("window") or (0.0, 0.0)
        base = Stimulus.objects.filter(
            base_scene=row.base_scene, direction=0, image_set=None, batches__in=row.batches.all()
        )
        return {
            "title": str(row),
            "bars": score_bars(row.scores, intended=row.intended_target) if row.scores else "",
            "trace": trace_plot(row.trace, (window[0], window[1]), row.intended_target),
            "base": base.exclude(pk=row.pk).first(),
            "lowlevel": [(name.replace("_", " "), value) for name, value in row.lowlevel.items()],
            "norms": sorted(row.norms.items()),
            "recipe_text": json.dumps(row.recipe_json, indent=2, sort_keys=True) if row.recipe_json else "",
            "step_views": row.step_views.select_related("job"),
            "score_choices": [(name, label_of(name)) for name in self.scores_to_show(row)],
            "methods": METHODS.choices(),
            "pairs": row.high_in.select_related("matched_set") | row.low_in.select_related("matched_set"),
        }


@admin.register(StepView)
class StepViewAdmin(AppendOnlyAdmin):
    list_display = ["stimulus", "target", "method", "state", "created_at"]
    list_select_related = ["job", "stimulus"]
    change_form_outer_before_template = "admin/generation/step_view.html"

    class Media:
        js = ["js/steps.js"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return []

    @display(description="state")
    def state(self, row: StepView) -> str:
        return "ready" if row.is_ready else (row.job.state if row.job else "")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def row_actions(self) -> dict[str, Action]:
        return {"resume": self.resume}

    def resume(self, request: HttpRequest, row: StepView) -> None:
        services.start_step_view(
            stimulus=row.stimulus, target=row.target, method=row.method, by=actor(request)
        )

    def page(self, request: HttpRequest, row: StepView) -> dict[str, Any]:
        shown = {
            "title": str(row),
            "method_label": dict(METHODS.choices()).get(row.method, row.method),
            "target_label": label_of(row.target),
        }
        if not row.is_ready:
            return shown
        steps = [
            {
                **step,
                "picture": self.file_address(row, f"picture-{step['step']:03d}.png"),
                "overlay": self.file_address(row, f"overlay-{step['step']:03d}.png"),
                "readings": [(label_of(name), value) for name, value in step["scores"].items()],
            }
            for step in row.steps
        ]
        return {
            **shown,
            "steps": steps,
            "last": steps[-1],
            "curve": steps_plot(row.steps, row.target),
            "files": [(name, self.file_address(row, name)) for name in ("steps.json", "steps.zip")],
        }

    def file_address(self, row: StepView, name: str) -> str:
        return reverse("step_view_file", args=[row.pk, name])
