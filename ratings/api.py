"""What the participants' pages send and fetch: JSON in, JSON out, refusals with their status."""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from lab.compression import compressed
from ratings import services
from ratings.models import Participant, token_digest
from ratings.permissions import check_origin
from ratings.services import presentation
from ratings.services.answers import LARGEST_BODY, read_body
from ratings.services.refusals import Malformed, Refused
from ratings.statements import find_participant

Address = Callable[[HttpRequest, Participant, str], HttpResponse]


def api(page: Callable[[HttpRequest, str], HttpResponse]) -> Callable[[HttpRequest, str], HttpResponse]:
    """An address for the participant's browser: JSON in, JSON out, refusals with their status."""

    @csrf_exempt
    @never_cache
    @functools.wraps(page)
    def view(request: HttpRequest, token: str) -> HttpResponse:
        try:
            return page(request, token)
        except Refused as refusal:
            if (participant := find_participant(token_digest(token))) is not None:
                translation.activate(participant.study.language)
            return JsonResponse(refusal.to_json(), status=refusal.status)

    return view


def participant_api(page: Address) -> Callable[[HttpRequest, str], HttpResponse]:
    """Such an address of the person who has the token."""

    @api
    @functools.wraps(page)
    def view(request: HttpRequest, token: str) -> HttpResponse:
        return page(request, services.owner(token_digest(token)), token)

    return view


def read_request(request: HttpRequest) -> dict[str, object]:
    """Read the JSON object that a page of ours posted."""
    check_origin(request)
    length = request.headers.get("Content-Length", "0")
    if length.isdecimal() and int(length) > LARGEST_BODY:
        raise Malformed("body", f"has {length} bytes", f"at most {LARGEST_BODY}")
    return read_body(request.read(LARGEST_BODY + 1))


@require_safe
@compressed
@participant_api
def state(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    return JsonResponse(presentation.visit_of(participant).to_json())


@require_POST
@api
def responses(request: HttpRequest, token: str) -> HttpResponse:
    """Take an answer. Its participant is read with its trial, and apart only where it is refused."""
    digest = token_digest(token)
    try:
        body = read_request(request)
    except Refused as refusal:
        services.note_refusal(participant=services.owner(digest), body={}, refusal=refusal)
        raise
    recorded = services.record_post(digest=digest, body=body)
    return JsonResponse(recorded.to_json(), status=recorded.status)


@require_POST
@participant_api
def events(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    stored = services.record_events(participant=participant, body=read_request(request))
    return JsonResponse({"acknowledged": True, "events": stored})


@require_POST
@participant_api
def finish(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    check_origin(request)
    finished = services.finish(participant=participant)
    return JsonResponse({"finished": True, "completion_code": finished.completion_code})
