"""Whose requests are taken."""

from __future__ import annotations

from django.http import HttpRequest

from lab.origins import is_own_origin
from ratings.services.refusals import NotTheirs, Reason


def check_origin(request: HttpRequest) -> None:
    """Refuse what a browser says was sent by another site."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    own = is_own_origin(request, origin) if origin is not None else site in {"same-origin", "none"}
    if not own:
        raise NotTheirs(
            "origin",
            f"is {origin or site}",
            f"a page of {request.get_host()}, or of a site that ALMOND_ORIGINS or ALMOND_HOSTS names",
            reason=Reason.ORIGIN,
        )
