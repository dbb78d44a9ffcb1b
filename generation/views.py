"""The public address of an image: its bytes, by digest, for participants and experimenters alike."""

from __future__ import annotations

import re
from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, HttpResponseNotModified
from django.views.decorators.http import require_safe

from generation.models import stimulus_path

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
