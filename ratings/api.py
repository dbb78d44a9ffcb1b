"""What the participants' pages send and fetch: JSON in, JSON out, refusals with their status."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from almond.digest import digest_bytes
from lab.compression import compressed
from ratings import services
from ratings.models import Participant, token_digest
from ratings.permissions import check_origin
from ratings.recruiting.base import Told
from ratings.recruiting.prolific_api import is_signed, normal_status
from ratings.services import presentation
from ratings.services.answers import LARGEST_BODY, read_body
from ratings.services.recruiting.panels import Message, receive
from ratings.services.refusals import Malformed, NotTheirs, Refused
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


FRESH_S = 600
"""A webhook that was sent longer ago, or so far in the future, is none that Prolific sends now."""
SUBMISSIONS = "submission.status.change"


@require_POST
@csrf_exempt
@never_cache
def prolific_events(request: HttpRequest) -> HttpResponse:
    """Take a webhook of Prolific: signed, each once by its id, in whatever order they come."""
    if not settings.PROLIFIC_SECRET:
        return JsonResponse({"taken": False, "message": "No secret is set for webhooks."}, status=404)
    try:
        effect = receive("prolific", read_message(request))
    except Refused as refusal:
        return JsonResponse({"taken": False, "message": str(refusal)}, status=refusal.status)
    return JsonResponse({"taken": True, "effect": effect})


def read_message(request: HttpRequest) -> Message:
    """Check the signature of a webhook and read it.

    :raises NotTheirs: the signature is not Prolific's, or it was sent long ago.
    :raises Malformed: a header or a field is missing.
    """
    body = request.read(LARGEST_BODY + 1)
    sent = request.headers.get("X-Prolific-Request-Timestamp", "")
    signature = request.headers.get("X-Prolific-Request-Signature", "")
    if not is_signed(settings.PROLIFIC_SECRET, sent, body, signature):
        expected = "that of Prolific under ALMOND_PROLIFIC_SECRET"
        raise NotTheirs("X-Prolific-Request-Signature", "is not right", expected)
    if abs((timezone.now() - read_moment("X-Prolific-Request-Timestamp", sent)).total_seconds()) > FRESH_S:
        raise NotTheirs("X-Prolific-Request-Timestamp", f"is {sent}", f"within {FRESH_S} seconds of now")
    fields = read_body(body)
    kind = str(fields.get("event_type", ""))
    happened = request.headers.get("X-Timestamp") or sent
    event_id = request.headers.get("X-Event-ID", "").strip() or digest_bytes(sent.encode() + body)
    return Message(event_id[:100], read_moment("X-Timestamp", happened), kind, read_told(kind, fields))


def read_told(kind: str, fields: Mapping[str, object]) -> Told | None:
    """Read what a webhook says of a submission; None of one about something else.

    :raises Malformed: an id or the status is missing.
    """
    if kind != SUBMISSIONS:
        return None
    names = ("resource_id", "participant_id", "status")
    values = [fields.get(name) for name in names]
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, str) or not value:
            raise Malformed(name, "is missing", "a text")
    submission, person, status = map(str, values)
    return Told(submission, person, normal_status(status))


def read_moment(name: str, text: str) -> datetime:
    """Read a UNIX time in seconds, or in milliseconds.

    :raises Malformed: it is none.
    """
    try:
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if seconds > LATEST_S else seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(name, f"is {text[:40]!r}", "a UNIX time") from error


LATEST_S = 1e11
"""A number of seconds beyond the year 5000 is one of milliseconds."""
