"""Reports that the library wrote, shown inside pages of the site."""

from __future__ import annotations

from pathlib import Path

from django.http import Http404
from django.utils.safestring import SafeString, mark_safe

BODY = "body.html"
PAGE = "report.html"


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
