"""The analysis pages: exports with what they hold, analyses with their answer and report."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from analysis import services
from analysis.admin import forms
from analysis.admin.power import PowerRunAdmin
from analysis.models import AnalysisRun, Export
from lab.append_only import Action, AppendOnlyAdmin, actor

__all__ = ["AnalysisRunAdmin", "ExportAdmin", "PowerRunAdmin"]

COLOURS = {
    "ready": "success",
    "queued": "info",
    "running": "primary",
    "failed": "danger",
    "cancelled": "warning",
}
MODE_COLOURS = {
    "confirmatory": "success",
    "exploratory": "warning",
    "interim": "warning",
    "simulated": "danger",
}
HIDDEN = "hidden until the study is closed"


@admin.register(Export)
class ExportAdmin(AppendOnlyAdmin):
    form = forms.ExportForm
    list_display = [
        "study",
        "shown_standing",
        "answers",
        "short_digest",
        "requested_by",
        "created_at",
        "download",
    ]
    list_filter = ["study"]
    list_select_related = ["study", "job", "requested_by"]
    change_form_outer_before_template = "admin/analysis/export.html"

    @display(description="standing", label=COLOURS)
    def shown_standing(self, row: Export) -> str:
        return row.standing

    @display(description="rows")
    def answers(self, row: Export) -> str:
        return ", ".join(f"{count} {table}" for table, count in row.counts.items())

    @display(description="digest")
    def short_digest(self, row: Export) -> str:
        return f"{row.digest[:12]}…" if row.digest else ""

    @display(description="download")
    def download(self, row: Export) -> SafeString | str:
        if not row.is_ready:
            return ""
        if not row.is_shown:
            return HIDDEN
        return format_html('<a href="{}">zip</a>', reverse("analysis_export_zip", args=[row.pk]))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        facts = ["requested_by", "created_at", "finished_at", "digest"] if obj else []
        return [
            (None, {"fields": ["study", *facts]}),
            ("For those who use the data", {"fields": ["licence", "authors", "citation"]}),
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Export:
        return services.request_export(by=actor(request), **data)

    def row_actions(self) -> dict[str, Action]:
        return {"analyse": self.analyse}

    def analyse(self, request: HttpRequest, row: Export) -> HttpResponse:
        run = services.request_analysis(export=row, by=actor(request))
        messages.success(request, "The analysis that the plan laid down has begun.")
        return redirect("admin:analysis_analysisrun_change", run.pk)

    def page(self, request: HttpRequest, row: Export) -> dict[str, Any]:
        return {"runs": row.runs.select_related("job"), "blocked": services.blocked(row)}


@admin.register(AnalysisRun)
class AnalysisRunAdmin(AppendOnlyAdmin):
    form = forms.AnalysisRunForm
    list_display = ["study", "shown_standing", "shown_mode", "answer", "created_at", "report"]
    list_filter = ["mode", "export__study"]
    list_select_related = ["export__study", "job"]
    change_form_outer_before_template = "admin/analysis/run.html"

    @display(description="study")
    def study(self, row: AnalysisRun) -> str:
        return str(row.export.study)

    @display(description="standing", label=COLOURS)
    def shown_standing(self, row: AnalysisRun) -> str:
        return row.standing

    @display(description="mode", label=MODE_COLOURS)
    def shown_mode(self, row: AnalysisRun) -> str | None:
        return row.mode or None

    @display(description="answer")
    def answer(self, row: AnalysisRun) -> str:
        return row.answer if row.export.is_shown else HIDDEN

    @display(description="report")
    def report(self, row: AnalysisRun) -> SafeString | str:
        if not (row.is_ready and row.export.is_shown):
            return ""
        return format_html('<a href="{}">report</a>', row.get_absolute_url())

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Refuse to filter by results: the number of rows that are left would tell them."""
        return not lookup.startswith("result") and bool(super().lookup_allowed(lookup, value, request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ["export", "permutations"]
        if obj:
            fields += ["mode", "requested_by", "created_at", "finished_at"]
        return [(None, {"fields": fields})]

    def page(self, request: HttpRequest, row: AnalysisRun) -> dict[str, Any]:
        return {"shown": row.export.is_shown, "hidden": HIDDEN}

    def create(self, data: dict[str, Any], request: HttpRequest) -> AnalysisRun:
        return services.request_analysis(
            export=data["export"], permutations=data["permutations"], by=actor(request)
        )
