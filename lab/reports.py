"""Reports that the library wrote, shown inside pages of the site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from django.http import FileResponse, Http404
from django.utils.safestring import SafeString, mark_safe

BODY = "body.html"
PAGE = "report.html"


class ReportRow(Protocol):
    """A row with a report: the name of its folder, and where this lies."""

    @property
    def path(self) -> Path: ...

    folder: str


def stored_file(row: ReportRow, name: str, types: Mapping[str, str]) -> FileResponse:
    """Send a file of a report, one of those whose content ``types`` are known."""
    if name not in types:
        raise Http404
    try:
        stream = (row.path / name).open("rb")
    except OSError as error:
        raise Http404("The report's folder is gone from this server.") from error
    return FileResponse(stream, as_attachment=True, filename=f"{row.folder}-{name}", content_type=types[name])


def stored_body(folder: Path) -> SafeString | None:
    """Read what a report shows, to stand inside a page; None for a report written before bodies were stored.

    The one place where a stored file is marked as safe: ``almond.report`` renders it with templates that
    escape every text, into a folder that only workers write to and nobody uploads into.

    :raises Http404: the report's folder is gone.
    """
    if not (folder / PAGE).is_file():
        raise Http404("The report's folder is gone from this server.")
    path = folder / BODY
    return mark_safe(path.read_text(encoding="utf-8")) if path.is_file() else None
