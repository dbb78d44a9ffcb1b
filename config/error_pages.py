"""What a visitor gets instead of a page: ours, in words, never a bare line of a program.

The pages (``templates/<status>.html``) need no database, no session and no context. A script that asks gets
JSON without a ``reason``: to the participants' outbox that means "not yet", so that it keeps every answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

Exceptions = tuple[type[BaseException], ...]
TOO_LARGE: Exceptions = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
DATABASE_AWAY: Exceptions = (OperationalError, InterfaceError)
PAGES = (400, 403, 404, 405, 413, 429, 500, 503)
RETRY_SECONDS = 10


def error_page(request: HttpRequest, status: int) -> HttpResponse:
    """Return our answer with a status: a page, or JSON to a script."""
    response: HttpResponse
    if asks_for_json(request):
        problem = f"{status} {HTTPStatus(status).phrase}"
        response = JsonResponse({"acknowledged": False, "error": problem}, status=status)
    else:
        response = HttpResponse(render_to_string(f"{status}.html"), status=status)
    response.headers["Cache-Control"] = "no-store"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def asks_for_json(request: HttpRequest) -> bool:
    json = "application/json"
    return request.content_type == json or request.headers.get("Accept") == json


def bad_request(request: HttpRequest, exception: BaseException) -> HttpResponse:
    return error_page(request, 413 if isinstance(exception, TOO_LARGE) else 400)


def permission_denied(request: HttpRequest, exception: BaseException) -> HttpResponse:
    return error_page(request, 403)


def page_not_found(request: HttpRequest, exception: BaseException) -> HttpResponse:
    return error_page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """A fault of ours, or the database away: Django calls this while the exception is being handled."""
    return error_page(request, 503 if isinstance(sys.exc_info()[1], DATABASE_AWAY) else 500)


class WordsForBareErrors:
    """Middleware: errors without a body, such as those of ``require_POST``, become pages too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code not in PAGES or response.streaming or response.content:
            return response
        page = error_page(request, response.status_code)
        for name, value in response.headers.items():
            if name not in OF_THE_BODY:
                page.headers[name] = value
        return page


OF_THE_BODY = {"Content-Type", "Content-Length"}
