"""Pages for the people of the lab: a report in the admin's looks, files of it, an export as a zip file."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from analysis.models import AnalysisRun, Export, PowerRun
from analysis.services.archive import stream_zip
from analysis.services.power import stale_reason
from lab.reports import PAGE, stored_body, stored_file
from studies.services.blind import standing

REPORT_FILES = {
    PAGE: "text/html; charset=utf-8",
    "report.md": "text/markdown; charset=utf-8",
    "report.pdf": "application/pdf",
    "result.json": "application/json",
}
POWER_FILES = {
    PAGE: "text/html; charset=utf-8",
    "report.md": "text/markdown; charset=utf-8",
    "power.json": "application/json",
}


def ready_run(request: HttpRequest, pk: int) -> AnalysisRun:
    if not request.user.has_perm("analysis.view_analysisrun"):
        raise PermissionDenied
    runs = AnalysisRun.objects.select_related("export__study").filter(finished_at__isnull=False)
    run = get_object_or_404(runs, pk=pk)
    refuse_while_blind(run.export)
    return run


def refuse_while_blind(export: Export) -> None:
    """Refuse answers and results of a study that is blind."""
    if not export.is_shown:
        raise PermissionDenied(f"The study {standing(export.study).reason or 'is blind until it is closed'}.")


@staff_member_required
def report(request: HttpRequest, pk: int) -> HttpResponse:
    """The report of an analysis inside the admin."""
    run = ready_run(request, pk)
    context = {
        **admin.site.each_context(request),
        "title": f"Report: {run.export.study}",
        "run": run,
        "body": stored_body(run.path),
        "page": reverse("analysis_report_file", args=[run.pk, PAGE]),
        "files": [name for name in REPORT_FILES if (run.path / name).is_file()],
    }
    return render(request, "admin/analysis/report.html", context)


@staff_member_required
def report_file(request: HttpRequest, pk: int, name: str) -> HttpResponse | FileResponse:
    """One of the report's files, by a name from a fixed list."""
    return stored_file(ready_run(request, pk), name, REPORT_FILES)


def ready_power(request: HttpRequest, pk: int) -> PowerRun:
    if not request.user.has_perm("analysis.view_powerrun"):
        raise PermissionDenied
    runs = PowerRun.objects.select_related("study").filter(finished_at__isnull=False)
    return get_object_or_404(runs, pk=pk)


@staff_member_required
def power_report(request: HttpRequest, pk: int) -> HttpResponse:
    """The report of a power analysis inside the admin."""
    run = ready_power(request, pk)
    context = {
        **admin.site.each_context(request),
        "title": f"Power: {run.study}",
        "run": run,
        "stale": stale_reason(run),
        "body": stored_body(run.path),
        "page": reverse("power_report_file", args=[run.pk, PAGE]),
        "files": list(POWER_FILES),
    }
    return render(request, "admin/analysis/power_report.html", context)


@staff_member_required
def power_report_file(request: HttpRequest, pk: int, name: str) -> FileResponse:
    """One of its files, by a name from a fixed list."""
    return stored_file(ready_power(request, pk), name, POWER_FILES)


@staff_member_required
def export_zip(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """A whole export; its folder's name comes from the row, never from the address."""
    if not request.user.has_perm("analysis.view_export"):
        raise PermissionDenied
    export = get_object_or_404(Export.objects.select_related("study"), pk=pk, finished_at__isnull=False)
    refuse_while_blind(export)
    if not (export.path / "manifest.json").is_file():
        raise Http404("The export's folder is gone from this server.")
    answer = StreamingHttpResponse(stream_zip(export.path, export.folder), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{export.folder}.zip"'
    return answer
