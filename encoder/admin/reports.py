"""The pages of reports over the subjects of an encoder."""

from __future__ import annotations

import mimetypes
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from almond.files.folders import visible
from encoder import services
from encoder.admin import comparison, downloads
from encoder.admin.forms.reports import ReportForm
from encoder.models import EncoderReport
from lab.append_only import Action, AppendOnlyAdmin, actor
from lab.reports import PAGE, stored_body

OFFERED = (PAGE, "report.md", "result.json")
TYPES = {".html": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8"}
"""Served as text, so that no file runs as a page of this site; the report is shown inside the admin."""


@admin.register(EncoderReport)
class EncoderReportAdmin(AppendOnlyAdmin):
    form = ReportForm
    list_display = ["name", "kind", "encoder", "state", "created_at"]
    list_filter = ["kind", "encoder"]
    list_select_related = ["encoder", "job"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/encoder/report_row.html"
    deletable = True

    @display(description="state", label={"written": "success", "failed": "danger"})  # type: ignore[untyped-decorator]
    def state(self, row: EncoderReport) -> str:
        return "written" if services.is_written(row) else row.job.state if row.job else "waiting"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": ["name", "encoder", "kind"]})]
        images = ["set_name", "images", "norms", "column", ("valence", "arousal")]
        return [
            (None, {"fields": ["name", "encoder", "kind", *images]}),
            ("Regions", {"fields": ["whole", "subregions", "controls", "control"]}),
            (
                "Statistics",
                {"fields": [("fdr", "correction"), "splits", ("low_level", "outcome"), "further"]},
            ),
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> EncoderReport:
        return services.start_report(
            name=data["name"],
            encoder=data["encoder"],
            kind=data["kind"],
            settings=data["settings"],
            by=actor(request),
        )

    def row_actions(self) -> dict[str, Action]:
        return {"again": self.again}

    def again(self, request: HttpRequest, row: EncoderReport) -> None:
        services.ask_for_report(report=row, by=actor(request))
        messages.success(request, f"{row} is being written.")

    def page(self, request: HttpRequest, row: EncoderReport) -> dict[str, Any]:
        return {
            "written": services.is_written(row),
            "answers": (row.job.result or {}).get("answers", []) if row.job else [],
            "settings": [
                (name, comparison.shown(value))
                for name, value in comparison.flat(row.config.get(row.kind, {})).items()
            ],
        }

    def get_urls(self) -> list[URLPattern]:
        read, file = self.admin_site.admin_view(self.read), self.admin_site.admin_view(self.file)
        return [
            path("<int:pk>/report/", read, name="encoder_encoderreport_read"),
            path("<int:pk>/report/<path:name>", file, name="encoder_encoderreport_file"),
            *super().get_urls(),
        ]

    def _written(self, request: HttpRequest, pk: int) -> EncoderReport:
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = get_object_or_404(EncoderReport.objects.select_related("encoder"), pk=pk)
        if not report.path or not (report.folder / PAGE).is_file():
            raise Http404("The report is not written yet, or its folder is no longer on this server.")
        return report

    def read(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the report as a page of the admin."""
        report = self._written(request, pk)
        context = {
            **self.admin_site.each_context(request),
            "title": report.name,
            "report": report,
            "body": stored_body(report.folder),
            "page": reverse("admin:encoder_encoderreport_file", args=[report.pk, PAGE]),
            "files": OFFERED,
            "tables": others(report),
        }
        return render(request, "admin/encoder/report.html", context)

    def file(self, request: HttpRequest, pk: int, name: str) -> FileResponse:
        """Send a file of the report's folder: figures to show, everything else to download."""
        report = self._written(request, pk)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        shown = kind in ("image/png", "image/svg+xml")
        suffix = f".{name.rpartition('.')[2]}"
        return downloads.file_of(
            report.folder,
            name,
            TYPES.get(suffix, kind),
            attach="" if shown else f"{report.kind}-{report.pk}-{name.rpartition('/')[2]}",
        )


def others(report: EncoderReport) -> list[str]:
    """List the tables and maps of the report, by their paths inside its folder."""
    files = visible(
        (file for file in report.folder.rglob("*") if file.name.endswith((".csv", ".nii.gz"))), report.folder
    )
    return [file.relative_to(report.folder).as_posix() for file in files]
