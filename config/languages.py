"""The language of a page: the lab's pages are in English, a participant's in the language of their study.

A view of a study activates the study's language (``django.utils.translation.activate``). What has no study,
such as a page for an address that is not complete, is in the first of our languages that the browser asks
for.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from almond.design.words import ENGLISH, LANGUAGES


class LanguageOfPage:
    """Middleware: whatever language a view activates ends with its answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for_lab = request.path.startswith(reverse("admin:index"))
        with translation.override(ENGLISH if for_lab else language_asked_for(request)):
            response = self.get_response(request)
            if not for_lab and response.headers.get("Content-Type", "").startswith("text/html"):
                response.headers.setdefault("Content-Language", translation.get_language() or ENGLISH)
                patch_vary_headers(response, ["Accept-Language"])
        return response


def language_asked_for(request: HttpRequest) -> str:
    """Return the first of our languages in a browser's order of preference; English where there is none."""
    for name, _ in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        language = name.partition("-")[0]
        if language in LANGUAGES.names():
            return language
    return ENGLISH
