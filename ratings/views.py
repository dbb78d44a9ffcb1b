"""The participants' pages.

A participant is known by the token in the address and by nothing else. Posts carry no cookie that matters,
so another site cannot make them: it does not know the address. They are therefore exempt from Django's CSRF
cookie, which may be blocked or expire during a long visit and must never cost an answer or a participant;
instead, what browsers say about the origin of a request is checked, and the consent form carries a signed
token of its own.

Only the answers that hold nothing of what a stranger can write into a request are compressed: beside text of
their choosing, the length of a compressed answer would tell the token bit by bit (BREACH).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.conf import settings
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lab.compression import compressed
from ratings import services
from ratings.models import Participant, token_digest
from ratings.permissions import check_origin
from ratings.recruiting.outcomes import Outcome
from ratings.services import presentation
from ratings.services.arriving import (
    count_arrival,
    find_by_pass,
    note_refused_arrival,
    read_recruit,
    resume_code,
)
from ratings.services.consenting import agreement, form_digest, form_text, stored_form
from ratings.services.leaving import find_leaving
from ratings.services.recruiting.ends import (
    End,
    end_of,
    end_of_declining,
    known_values,
    outcome_of,
)
from ratings.services.refusals import Malformed, NotNow, Reason, Refused, TooMany
from ratings.services.rehearsals.robots import read_robot, robot_arrives, robot_mode
from ratings.statements import find_participant, find_study
from studies.models import Study
from studies.services.information import device_rule, facts, information_of
from studies.services.presentation import paragraphs, script_words, scripts

COOKIE_DAYS = 30
Page = Callable[[HttpRequest, Participant, str], HttpResponse]


def find(token: str) -> Participant | None:
    return find_participant(token_digest(token))


def participant_page(page: Page) -> Callable[[HttpRequest, str], HttpResponse]:
    """A page of the person who has the token; for any other token, a page that says so (404)."""

    @never_cache
    @functools.wraps(page)
    def view(request: HttpRequest, token: str) -> HttpResponse:
        participant = find(token)
        if participant is None:
            return render(request, "participant/unknown.html", status=404)
        translation.activate(participant.study.language)
        return page(request, participant, token)

    return view


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """The consent form; posting it begins, or goes on where this browser began."""
    study = find_study(slug)
    if study is None:
        raise Http404(f"no study {slug!r}")
    translation.activate(study.language)
    token = request.COOKIES.get(cookie_name(study), "")
    known = find(token) if token else None
    if known is not None and known.study_id != study.pk:
        token, known = "", None  # another study's: here it begins nothing
    going_on = token if known else ""
    if request.method != "POST":
        return consent_page(request, study, token=token, going_on=bool(going_on))
    try:
        check_origin(request)
        if request.POST.get("decline") and not going_on:
            return decline(request, study)
        return went_on(going_on) if going_on else begin(request, study, nobodys=token)
    except Refused as refusal:
        note_refused_arrival(study, visitor_address(request), refusal)
        return consent_page(request, study, token=token, refusal=refusal)


def consent_page(
    request: HttpRequest,
    study: Study,
    *,
    token: str = "",
    going_on: bool = False,
    refusal: Refused | None = None,
) -> HttpResponse:
    """Show the form. The token that its participant will have stays with this browser from now on, so that
    two forms, a form posted twice, and a join whose answer was lost are one participant."""
    token = token or services.new_token()
    information = information_of(study)
    context = {
        "study": study,
        "facts": facts(study, study.frozen_plan, information),
        "paragraphs": paragraphs(study.consent),
        "agreement": agreement(),
        "information": information,
        "device_rule": device_rule(information),
        "going_on": token if going_on else "",
        "begin_token": signing.dumps([token, form_digest(study)], salt=study.slug),
        "refusal": refusal,
        "may_resume": refusal is not None and refusal.reason in {Reason.TAKEN_PART, Reason.RESUME},
        "action": request.get_full_path(),
        "copy_address": reverse("participant_consent_copy", args=[study.slug]),
        "trials": study.frozen_plan.trials,
        "scripts": scripts(study.frozen_plan),
    }
    page = render(request, "participant/consent.html", context, status=refusal.status if refusal else 200)
    if isinstance(refusal, TooMany):
        page.headers["Retry-After"] = str(refusal.retry_after)
    remember(request, page, study, token)
    return page


def decline(request: HttpRequest, study: Study) -> HttpResponse:
    """Count that somebody did not agree, store nothing about them, and go to the page that says so."""
    refusal = NotNow("consent", "was declined", "somebody who agrees", reason=Reason.DECLINED)
    note_refused_arrival(study, visitor_address(request), refusal)
    query = request.GET.urlencode()
    address = reverse("participant_declined", args=[study.slug])
    return redirect(f"{address}?{query}" if query else address)


@require_safe
@never_cache
def declined(request: HttpRequest, slug: str) -> HttpResponse:
    """The end page of somebody who did not agree; the link's ids stand in its address and nowhere else."""
    study = find_study(slug)
    if study is None:
        raise Http404(f"no study {slug!r}")
    translation.activate(study.language)
    context = {"study": study, "end": end_of_declining(study, request.GET)}
    return render(request, "participant/end.html", context)


def begin(request: HttpRequest, study: Study, *, nobodys: str) -> HttpResponse:
    """Join, or hand a participant's pages to this browser, and go to them.

    :param nobodys: the browser's token, which has just been looked for: nobody has it.
    """
    token, shown = read_begin_token(request, study)
    robot = read_robot(study, request.GET)
    recruit = robot or read_recruit(study, request.GET)
    if recruit is not None and request.POST.get("resume_code"):
        count_arrival(study, visitor_address(request))
        token = services.resume(study=study, recruit=recruit, code=request.POST["resume_code"]).token
    else:
        if request.POST.get("agreed") != "yes":
            raise Malformed("consent", "was not given", "the box to be ticked", reason=Reason.CONSENT)
        if token == nobodys or find(token) is None:
            form = stored_form(study)
            if form.digest != shown:
                raise Malformed("form", "shows an earlier text", "the text as it is now", reason=Reason.FORM)
            address = visitor_address(request)
            arrive = robot_arrives if robot else services.arrive
            token = arrive(study=study, token=token, recruit=recruit, address=address, form=form).token
    response = went_on(token)
    remember(request, response, study, token)
    return response


def read_begin_token(request: HttpRequest, study: Study) -> tuple[str, str]:
    """Return the participant's token of a posted form, and the digest of the text that the form showed."""
    try:
        token, shown = signing.loads(
            request.POST.get("begin_token", ""), salt=study.slug, max_age=24 * 60 * 60
        )
    except (signing.BadSignature, ValueError) as error:
        raise Malformed(
            "form", "is not the one that this page gave out, or a day old", "a fresh one", reason=Reason.FORM
        ) from error
    return token, shown


@never_cache
@require_safe
def consent_copy(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the text of the consent form as a file to keep."""
    study = find_study(slug)
    if study is None:
        raise Http404(f"no study {slug!r}")
    with translation.override(study.language):
        text = form_text(study)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}.txt"'}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


def went_on(token: str) -> HttpResponse:
    return redirect("participant_study", token)


def remember(request: HttpRequest, response: HttpResponse, study: Study, token: str) -> None:
    """Keep a token in this browser."""
    response.set_cookie(
        cookie_name(study),
        token,
        max_age=COOKIE_DAYS * 24 * 60 * 60,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def cookie_name(study: Study) -> str:
    return f"almond-study-{study.pk}"


def visitor_address(request: HttpRequest) -> str:
    """Return the internet address of a visitor: behind a proxy that the settings name, what it passed on."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    passed_on = [
        part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
    ]
    while address in settings.ALMOND_PROXIES and passed_on:
        address = passed_on.pop()
    return address


@require_safe
@compressed
@participant_page
def study(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    """Where a participant answers; or the end, when all is answered or the visit is over."""
    if (outcome := outcome_of(participant)) is Outcome.FINISHED:
        return redirect("participant_done", token)
    if outcome is not None:
        return end_page(request, participant, end_of(participant, outcome))
    addresses = presentation.addresses(token)
    withdraw_address = addresses.pop("withdraw")
    visit = presentation.visit_of(participant)
    config = {"participant": participant.name, "urls": addresses, "state": visit.to_json()}
    config |= robot_mode(participant)
    if hasattr(participant, "recruitment"):
        config["resume_code"] = resume_code(participant)
    context = {
        "study": participant.study,
        "participant": participant,
        "withdraw_address": withdraw_address,
        "config": config,
        "first_images": visit.first_images(),
        "words": script_words(participant.study.language),
        "information": information_of(participant.study),
    }
    return render(request, "participant/study.html", context)


@require_safe
@participant_page
def done(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    """Debriefing and completion code; before the end, back to the trials."""
    if not participant.is_done:
        return redirect("participant_study", token)
    debriefing = paragraphs(participant.study.debriefing)
    return end_page(request, participant, end_of(participant, Outcome.FINISHED), debriefing=debriefing)


def end_page(request: HttpRequest, participant: Participant, end: End, **more: object) -> HttpResponse:
    context = {"study": participant.study, "participant": participant, "end": end, **more}
    return render(request, "participant/end.html", context)


@csrf_exempt
@require_POST
@participant_page
def withdraw(request: HttpRequest, participant: Participant, token: str) -> HttpResponse:
    """Stop for good. The way back is made before the ids go, which is why this page is the answer itself."""
    try:
        check_origin(request)
        values = known_values(participant)
        services.withdraw(participant=participant)
    except Refused:
        return redirect("participant_done", token)
    return end_page(request, participant, end_of(participant, Outcome.WITHDRAWN, values=values))


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest) -> HttpResponse:
    """Where the code of a last page is entered; what will be done is said before it is done."""
    code = request.POST.get("code", "")
    if request.method != "POST":
        return render(request, "participant/withdraw.html", {"code": ""})
    try:
        check_origin(request)
        count_arrival(None, visitor_address(request))
        participant = find_leaving(code)
        translation.activate(participant.study.language)
        if request.POST.get("sure") == "yes":
            participant = services.withdraw_by_code(code)
    except Refused as refusal:
        page = render(
            request, "participant/withdraw.html", {"code": code, "refusal": refusal}, status=refusal.status
        )
        if isinstance(refusal, TooMany):
            page.headers["Retry-After"] = str(refusal.retry_after)
        return page
    context = {"code": code, "participant": participant, "study": participant.study}
    context |= {"information": information_of(participant.study)}
    return render(request, "participant/withdraw.html", context)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def go_on(request: HttpRequest, device_pass: str) -> HttpResponse:
    """Where an experimenter's link lets a participant in, by a click: previews of links do not use it up."""
    try:
        if request.method != "POST":
            study = find_by_pass(device_pass).study
            translation.activate(study.language)
            told = information_of(study)
            context = {"study": study, "information": told, "device_rule": device_rule(told)}
            return render(request, "participant/go_on.html", context)
        check_origin(request)
        joined = services.enter_with_pass(device_pass)
    except Refused as refusal:
        return render(request, "participant/go_on.html", {"refusal": refusal}, status=refusal.status)
    response = went_on(joined.token)
    remember(request, response, joined.participant.study, joined.token)
    return response
