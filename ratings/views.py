"""The participants' pages.

A participant is known by the token in the address and by nothing else. The posts of a participant's browser
carry no cookie that matters, so another site cannot make them: it does not know the address. They are
therefore exempt from Django's CSRF cookie, which may be blocked or expire during a long visit and must never
cost an answer; instead, what browsers say about the origin of a request is checked. The forms for consent
and for stopping are ordinary forms with Django's token.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from urllib.parse import urlsplit

from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ratings import services
from ratings.models import Participant, token_digest
from ratings.services import Recruit, presentation
from ratings.services.answers import LARGEST_BODY, read_body
from ratings.services.refusals import Malformed, NotTheirs, Refused
from studies.models import Study
from studies.services.presentation import paragraphs

COOKIE_DAYS = 30
PROLIFIC = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")
LONGEST_ID = 100
Page = Callable[[HttpRequest, Participant, str], HttpResponse]


def find(token: str) -> Participant | None:
    return Participant.objects.select_related("study").filter(token_digest=token_digest(token)).first()


def participant_page(page: Page) -> Callable[[HttpRequest, str], HttpResponse]:
    """A page of the person who has the token; for any other token, a page that says so (404)."""

    @never_cache
    @functools.wraps(page)
    def view(request: HttpRequest, token: str) -> HttpResponse:
        participant = find(token)
        if participant is None:
            return render(request, "participant/unknown.html", status=404)
        return page(request, participant, token)

    return view


def participant_api(page: Page) -> Callable[[HttpRequest, str], HttpResponse]:
    """An address for the participant's browser: JSON in, JSON out, refusals with their status."""

    @csrf_exempt
    @never_cache
    @functools.wraps(page)
    def view(request: HttpRequest, token: str) -> HttpResponse:
        participant = find(token)
        try:
            if participant is None:
                raise NotTheirs("token", "belongs to nobody who takes part", "the link given after consent")
            check_origin(request)
            return page(request, participant, token)
        except Refused as refusal:
            return JsonResponse(refusal.to_json(), status=refusal.status)

    return view


def check_origin(request: HttpRequest) -> None:
    """Refuse what a browser says was sent by another site."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    host = request.get_host()
    if site not in {"same-origin", "none"} or (origin is not None and urlsplit(origin).netloc != host):
        raise NotTheirs("origin", f"is {origin or site}", f"a page of {host}")


def read_request(request: HttpRequest) -> dict[str, object]:
    length = request.headers.get("Content-Length", "0")
    if length.isdecimal() and int(length) > LARGEST_BODY:
        raise Malformed("body", f"has {length} bytes", f"at most {LARGEST_BODY}")
    return read_body(request.read(LARGEST_BODY + 1))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """The consent form; posting it begins."""
    study = get_object_or_404(Study.objects.exclude(state=Study.State.DRAFT), slug=slug)
    if request.method == "POST":
        return begin(request, study)
    known = find(request.COOKIES.get(cookie_name(study), ""))
    token = request.COOKIES[cookie_name(study)] if known and known.study_id == study.pk else ""
    return consent_page(request, study, token=token)


def consent_page(
    request: HttpRequest, study: Study, *, token: str = "", refusal: Refused | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "study": study,
        "paragraphs": paragraphs(study.consent),
        "going_on": token,
        "begin_token": signing.dumps(services.new_token(), salt=study.slug),
        "refusal": refusal,
        "action": request.get_full_path(),
        "trials": study.frozen_plan.trials,
    }
    return render(request, "participant/consent.html", context, status=status)


def begin(request: HttpRequest, study: Study) -> HttpResponse:
    """Join, and go to the participant's own page. The token came with the form, so that a form that is
    posted twice makes one participant."""
    try:
        token = signing.loads(request.POST.get("begin_token", ""), salt=study.slug, max_age=24 * 60 * 60)
    except signing.BadSignature:
        refusal = Malformed("form", "is not the one that this page gave out, or a day old", "a fresh one")
        return consent_page(request, study, refusal=refusal, status=400)
    if request.POST.get("agreed") != "yes":
        refusal = Malformed("consent", "was not given", "the box to be ticked")
        return consent_page(request, study, refusal=refusal, status=400)
    try:
        joined = services.join(study=study, token=token, recruit=read_recruit(request))
    except Refused as refusal:
        return consent_page(request, study, refusal=refusal, status=refusal.status)
    response = redirect("participant_study", joined.token)
    response.set_cookie(
        cookie_name(study),
        joined.token,
        max_age=COOKIE_DAYS * 24 * 60 * 60,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
    return response


def cookie_name(study: Study) -> str:
    return f"almond-study-{study.pk}"


def read_recruit(request: HttpRequest) -> Recruit | None:
    """Recruitment ids from the address: Prolific's, or ``id`` of a plain link; ``Malformed`` if too long."""
    ids = {name: request.GET[name] for name in (*PROLIFIC, "id") if request.GET.get(name)}
    for name, value in ids.items():
        if len(value) > LONGEST_ID or not value.isprintable():
            raise Malformed(name, f"has {len(value)} characters", f"at most {LONGEST_ID} printable ones")
    if "PROLIFIC_PID" in ids:
        return Recruit("prolific", ids.pop("PROLIFIC_PID"), ids)
    if "id" in ids:
        return Recruit("link", ids.pop("id"), ids)
    return None


@require_safe
@participant_page
def study(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    """Where a participant answers; or the end, when all is answered."""
    if participant.is_done:
        return redirect("participant_done", token)
    if participant.status == Participant.Status.WITHDRAWN:
        return render(request, "participant/stopped.html", {"study": participant.study})
    config = {"participant": participant.name, "preview": False, "urls": presentation.addresses(token)}
    return render(
        request, "participant/study.html", {"study": participant.study, "config": config, "token": token}
    )


@require_safe
@participant_page
def done(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    """Debriefing and completion code; before the end, back to the trials."""
    if not participant.is_done:
        return redirect("participant_study", token)
    context = {
        "study": participant.study,
        "paragraphs": paragraphs(participant.study.debriefing),
        "code": participant.completion_code,
        "participant": participant,
    }
    return render(request, "participant/done.html", context)


@require_POST
@participant_page
def withdraw(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    try:
        services.withdraw(participant=participant)
    except Refused:
        return redirect("participant_done", token)
    return redirect("participant_study", token)


@require_safe
@participant_api
def state(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    return JsonResponse(presentation.state_json(participant))


@require_POST
@participant_api
def responses(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    try:
        body = read_request(request)
    except Malformed as refusal:
        services.note_refusal(participant=participant, body={}, refusal=refusal)
        raise
    recorded = services.record_response(participant=participant, body=body)
    return JsonResponse(recorded.to_json(), status=recorded.status)


@require_POST
@participant_api
def events(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    count = services.record_events(participant=participant, body=read_request(request))
    return JsonResponse({"acknowledged": True, "events": count})


@require_POST
@participant_api
def finish(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    finished = services.finish(participant=participant)
    return JsonResponse({"finished": True, "completion_code": finished.completion_code})
