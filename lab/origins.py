"""Which pages are ours: one answer for forms and for what participants' browsers post.

Behind a proxy the name that reaches this process need not be the public one. Ours is therefore the name in
the request, and every origin in ``CSRF_TRUSTED_ORIGINS``, which the settings make from ``ALMOND_ORIGINS`` and
``ALMOND_HOSTS``; Django's check of forms reads the same two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register
from django.http import HttpRequest
from django.http.request import validate_host
from django.utils.http import is_same_domain


def is_own_origin(request: HttpRequest, origin: str) -> bool:
    """Tell whether an ``Origin`` header, such as ``https://lab.example.org``, names a page of this site."""
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"}:
        return False  # "null", as browsers say of sandboxed pages and files
    return parts.netloc == request.get_host() or any(
        parts.scheme == trusted.scheme and is_same_domain(parts.netloc, trusted.netloc.lstrip("*"))
        for trusted in map(urlsplit, settings.CSRF_TRUSTED_ORIGINS)
    )


def origins_of_hosts(hosts: Iterable[str], *, https: bool) -> list[str]:
    """Write host names as Django's ``ALLOWED_HOSTS`` has them (``.lab.org``: with all below it) as origins.

    ``*`` names no site and gives none.
    """
    scheme = "https" if https else "http"
    return [
        f"{scheme}://{'*' if host.startswith('.') else ''}{host}" for host in hosts if host and host != "*"
    ]


@register(deploy=True)
def check_origins_are_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Warn of an origin whose host the site would not answer to: a proxy that passes ``Host`` on gets 400."""
    strangers = [
        origin
        for origin in settings.CSRF_TRUSTED_ORIGINS
        if not validate_host((urlsplit(origin).hostname or "").lstrip("*."), settings.ALLOWED_HOSTS)
    ]
    return [
        Warning(
            f"ALMOND_ORIGINS names {origin}, but ALMOND_HOSTS does not name its host.",
            hint="Add it there, so that the site answers also where the proxy passes the name on.",
            id="almond.W001",
        )
        for origin in strangers
    ]
