"""The pages of power analyses: what was simulated, how far it is, and what was found."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from analysis.admin.power_form import PowerRunForm, field_name, rater_settings
from analysis.models import PowerRun
from analysis.services.power import request_power, stale_reason
from lab.append_only import AppendOnlyAdmin, actor

SECTIONS = {
    "ratings": "How ratings come about",
    "choices": "How choices come about",
    "predictors": "Photographs",
    "times": "How long answers and visits take",
}
KEPT = ["study", "design_digest", "requested_by", "created_at", "finished_at"]


def rater_fieldsets() -> list[tuple[str, dict[str, Any]]]:
    """Sort the settings of a rater model into sections; those of people first."""
    sections: dict[str, list[str]] = {"": []}
    for path, _ in rater_settings():
        sections.setdefault(path.rpartition(".")[0], []).append(field_name(path))
    titles = {"": "People", **SECTIONS}
    return [(titles[name], {"fields": fields}) for name, fields in sections.items()]


@admin.register(PowerRun)
class PowerRunAdmin(AppendOnlyAdmin):
    form = PowerRunForm
    deletable = True
    list_display = ["study", "shown_standing", "answer", "requested_by", "created_at", "report"]
    list_filter = ["study"]
    list_select_related = ["study", "job", "requested_by"]
    change_form_outer_before_template = "admin/analysis/power.html"

    @display(
        description="standing",
        label={
            "ready": "success",
            "queued": "info",
            "running": "primary",
            "failed": "danger",
            "cancelled": "warning",
        },
    )
    def shown_standing(self, row: PowerRun) -> str:
        return row.standing

    @display(description="answer")
    def answer(self, row: PowerRun) -> str:
        return row.headline[0] if row.headline else ""

    @display(description="report")
    def report(self, row: PowerRun) -> SafeString | str:
        return format_html('<a href="{}">report</a>', row.get_absolute_url()) if row.is_ready else ""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": KEPT})]
        sizes = ["study", "effects", ("people", "themes"), ("studies", "seed")]
        return [(None, {"fields": sizes}), *rater_fieldsets()]

    def create(self, data: dict[str, Any], request: HttpRequest) -> PowerRun:
        names = ("study", "people", "themes", "effects", "studies", "seed", "raters")
        return request_power(**{name: data[name] for name in names}, by=actor(request))

    def page(self, request: HttpRequest, row: PowerRun) -> dict[str, Any]:
        return {"stale": stale_reason(row)}
