"""The pages of single images: scores, trace of the guidance, provenance."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from generation.admin.pictures import DIRECTIONS, score_bars, trace_plot
from generation.models import Stimulus
from lab.append_only import AppendOnlyAdmin


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

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

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
            "pairs": row.high_in.select_related("matched_set") | row.low_in.select_related("matched_set"),
        }
