"""The public address of an image: its bytes, by digest, for participants and experimenters alike; and reports
of diagnoses and files of step views, for the people of the lab."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from generation.diagnoses import Diagnosis
from generation.models import TrajectorySet, stimulus_path
from generation.step_views import StepView
from lab.reports import PAGE, stored_body, stored_file

CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
DIGEST = re.compile(r"[0-9a-f]{64}")
# The address holds the digest of the bytes: what it names can never change.
FOR_EVER = "public, max-age=31536000, immutable"


@require_safe
def stimulus_image(request: HttpRequest, digest: str, suffix: str) -> HttpResponseBase:
    """Return the image's bytes, cached for ever; 404 for any other digest, suffix or form of address.

    ``Range: bytes=N-`` gets the rest from byte N on (206), so that a slow line need not begin again.
    """
    if suffix not in CONTENT_TYPES or not DIGEST.fullmatch(digest):
        raise Http404("no such image")
    path = stimulus_path(digest, suffix)
    if not path.is_file():
        raise Http404("no such image")
    etag = f'"{digest}"'
    response: HttpResponseBase
    if etag in re.split(r"\s*,\s*", request.headers.get("If-None-Match", "")):
        response = HttpResponseNotModified()
    else:
        response = rest_of(path, request.headers.get("Range", ""), CONTENT_TYPES[suffix])
        response["X-Content-Type-Options"] = "nosniff"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Cache-Control"] = FOR_EVER
    return response


def rest_of(path: Path, wanted: str, content_type: str) -> FileResponse:
    """Return a file from the byte on that a ``Range`` header names; all of it for any other header."""
    size = path.stat().st_size
    match = re.fullmatch(r"bytes=(\d{1,18})-", wanted)
    first = int(match[1]) if match else 0
    stream = path.open("rb")
    if not 0 < first < size:
        return FileResponse(stream, content_type=content_type)
    stream.seek(first)
    response = FileResponse(stream, status=206, content_type=content_type)
    response["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
    return response


DIAGNOSIS_FILES = {
    PAGE: "text/html; charset=utf-8",
    "report.md": "text/markdown; charset=utf-8",
    "result.json": "application/json",
    "pictures.csv": "text/csv; charset=utf-8",
}


def ready_diagnosis(request: HttpRequest, pk: int) -> Diagnosis:
    if not request.user.has_perm("generation.view_diagnosis"):
        raise PermissionDenied
    return get_object_or_404(Diagnosis.objects.filter(finished_at__isnull=False), pk=pk)


@staff_member_required
def diagnosis_report(request: HttpRequest, pk: int) -> HttpResponse:
    """The report of a diagnosis inside the admin."""
    row = ready_diagnosis(request, pk)
    context = {
        **admin.site.each_context(request),
        "title": f"Diagnosis: {row}",
        "row": row,
        "body": stored_body(row.path),
        "page": reverse("diagnosis_report_file", args=[row.pk, PAGE]),
        "files": list(DIAGNOSIS_FILES),
    }
    return render(request, "admin/generation/diagnosis_report.html", context)


@staff_member_required
def diagnosis_report_file(request: HttpRequest, pk: int, name: str) -> FileResponse:
    """One of its files, by a name from a fixed list."""
    return stored_file(ready_diagnosis(request, pk), name, DIAGNOSIS_FILES)


STEP_FILES = re.compile(r"(picture|overlay)-\d{3}\.png|steps\.json")
STEP_ZIP = "steps.zip"


@staff_member_required
def step_view_file(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """A file of a finished step view, or all of them in a zip file."""
    if not request.user.has_perm("generation.view_stepview"):
        raise PermissionDenied
    row = get_object_or_404(StepView.objects.filter(finished_at__isnull=False), pk=pk)
    if name == STEP_ZIP:
        return zipped(sorted(row.path.glob("*.*")), f"{row.path.name}.zip")
    path = row.path / name
    if not STEP_FILES.fullmatch(name) or not path.is_file():
        raise Http404("no such file")
    content = "image/png" if name.endswith("png") else "application/json"
    response = FileResponse(
        path.open("rb"), content_type=content, as_attachment=not name.endswith("png"), filename=name
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, max-age=3600"
    return response


def zipped(paths: list[Path], name: str) -> HttpResponse:
    """Send small files in a zip file.

    :raises Http404: there are none: their folder is gone from this server.
    """
    if not paths:
        raise Http404("The files are gone from this server.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    response = HttpResponse(buffer.getvalue(), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


TRAJECTORY_FILES = {name: kind for name, kind in DIAGNOSIS_FILES.items() if name != "pictures.csv"}


def ready_trajectories(request: HttpRequest, pk: int) -> TrajectorySet:
    if not request.user.has_perm("generation.view_trajectoryset"):
        raise PermissionDenied
    return get_object_or_404(TrajectorySet.objects.filter(finished_at__isnull=False), pk=pk)


@staff_member_required
def trajectory_report(request: HttpRequest, pk: int) -> HttpResponse:
    """The report of trajectories inside the admin."""
    row = ready_trajectories(request, pk)
    context = {
        **admin.site.each_context(request),
        "title": f"Trajectories: {row}",
        "row": row,
        "body": stored_body(row.path),
        "page": reverse("trajectory_report_file", args=[row.pk, PAGE]),
        "files": list(TRAJECTORY_FILES),
    }
    return render(request, "admin/generation/trajectory_report.html", context)


@staff_member_required
def trajectory_report_file(request: HttpRequest, pk: int, name: str) -> FileResponse:
    """One of its files, by a name from a fixed list."""
    return stored_file(ready_trajectories(request, pk), name, TRAJECTORY_FILES)
