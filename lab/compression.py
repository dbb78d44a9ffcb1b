"""Compressed pages and JSON: brotli where the browser takes it, else gzip.

Browsers take brotli on https and from their own machine, and gzip alone on plain http. Only for answers
without anything that a stranger can write into a request: beside text of their choosing, the length of a
compressed answer would tell its secrets bit by bit (BREACH).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import brotli
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.gzip import gzip_page

QUALITY = 5
"""Of 0 to 11. For the page of 200 trials 9 gives no fewer bytes, and 11 takes tens of times as long."""
SMALLEST = 200
"""Bytes; a shorter answer fits one packet as it is (the limit of Django's gzip)."""
TAKES_BROTLI = re.compile(r"(?:^|,)\s*br\s*(?:$|,|;\s*q=(?!0(?:\.0*)?\s*(?:,|$)))")

View = Callable[..., HttpResponse]


def compressed(view: View) -> View:
    """Decorate a view whose answers have one body, none of them streamed."""

    @gzip_page  # leaves alone what is compressed already
    @functools.wraps(view)
    def compressing(request: HttpRequest, *args: Any, **more: Any) -> HttpResponse:
        response = view(request, *args, **more)
        if len(response.content) >= SMALLEST:
            patch_vary_headers(response, ["Accept-Encoding"])
            if TAKES_BROTLI.search(request.headers.get("Accept-Encoding", "")):
                response.content = brotli.compress(response.content, quality=QUALITY)
                response.headers["Content-Encoding"] = "br"
        return response

    return compressing
