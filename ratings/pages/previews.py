"""A study as a participant goes through it, by a link that ends: the pages and scripts of participants, with
the rows that would be stored beside them. Nothing is: what was answered stays in the browser, which sends all
of it along each time, and how the visit ended is in a signed cookie of these pages alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from almond.design.words import LANGUAGES
from almond.errors import InputError
from ratings.permissions import check_origin
from ratings.recruiting.outcomes import Outcome, outcome_choices
from ratings.services.answers import read_body, read_events
from ratings.services.consenting import agreement, form_text
from ratings.services.previewing.links import PreviewLink, read_preview_link
from ratings.services.previewing.rows import event_table, participant_table, response_tables
from ratings.services.previewing.visits import LARGEST_VISIT, KeptAnswer, PreviewedVisit
from ratings.services.recruiting.ends import End, make_end, page_of
from ratings.services.refusals import Malformed, Reason, Refused
from studies.services.information import device_rule, facts, information_of
from studies.services.presentation import paragraphs, script_words, scripts

Page = Callable[..., HttpResponse]
FRAMES = {"phone": (390, 844), "desktop": (1280, 800)}
"""Frames in which a visit is shown, in CSS pixels."""
COOKIE = "almond-preview"
CODE = "PREVIEW"
"""Stands for a completion code that each participant would get for themselves."""
EARLIEST_S = 1_000_000_000.0


def opened(key: str) -> tuple[PreviewLink, PreviewedVisit]:
    """Read a link and build its visit, in whose language the page is from now on."""
    link = read_preview_link(key)
    visit = PreviewedVisit(link.study, link.list, link.language)
    translation.activate(visit.study.language)
    return link, visit


def over_page(request: HttpRequest, error: InputError) -> HttpResponse:
    """Say on a plain page why there is nothing to see."""
    over = isinstance(error, Refused) and error.reason is Reason.PREVIEW_OVER
    status = 410 if over else 404 if isinstance(error, Refused) else 409
    context = {"refusal": error if isinstance(error, Refused) else None, "over": over}
    return render(request, "participant/preview_over.html", context, status=status)


def preview_page(page: Page) -> Page:
    """A page of a visit, which a page of this site may hold in a frame."""

    @csrf_exempt
    @never_cache
    @xframe_options_sameorigin
    @functools.wraps(page)
    def view(request: HttpRequest, key: str, **more: str) -> HttpResponse:
        try:
            _, visit = opened(key)
        except InputError as error:
            return over_page(request, error)
        return page(request, visit, key, **more)

    return view


def preview_api(page: Page) -> Callable[[HttpRequest, str], HttpResponse]:
    """An address for the scripts of a visit: JSON in, JSON out, refusals with their status."""

    @require_POST
    @csrf_exempt
    @never_cache
    @functools.wraps(page)
    def view(request: HttpRequest, key: str) -> HttpResponse:
        try:
            check_origin(request)
            _, visit = opened(key)
            return page(request, visit, key)
        except Refused as refusal:
            return JsonResponse(refusal.to_json(), status=refusal.status)
        except InputError as error:
            changed = Refused(error.source, error.problem, error.expected, reason=Reason.FORM)
            return JsonResponse(changed.to_json(), status=409)

    return view


@require_safe
@never_cache
def host(request: HttpRequest, key: str) -> HttpResponse:
    """Show the visit in the frame of a phone or of a desktop screen, and what would be stored."""
    try:
        link, visit = opened(key)
    except InputError as error:
        return over_page(request, error)
    translation.activate("en")
    frame = request.GET.get("frame", "")
    frame = frame if frame in FRAMES else "desktop"
    width, height = FRAMES[frame]
    context = {
        "study": visit.study,
        "number": link.list,
        "language": dict(LANGUAGES.choices())[link.language],
        "ends_at": link.ends_at,
        "frame": frame,
        "frames": list(FRAMES),
        "width": width,
        "height": height,
        "consent": reverse("preview_consent", args=[key]),
        "ends": [
            (label, reverse("preview_end", args=[key, outcome])) for outcome, label in outcome_choices()
        ],
        "address": request.build_absolute_uri(reverse("preview", args=[key])),
    }
    return render(request, "preview/host.html", context)


def shown_banner(request: HttpRequest) -> bool:
    """Tell whether a page has to say itself that it is a preview: not in our frame, which says it."""
    return request.headers.get("Sec-Fetch-Dest", "") != "iframe"


@require_http_methods(["GET", "HEAD", "POST"])
@preview_page
def consent(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """The consent form; posting it begins, or shows the page of those who decline."""
    if request.method == "POST":
        check = request.POST
        if check.get("decline"):
            return redirect("preview_end", key, str(Outcome.DECLINED))
        if check.get("agreed") == "yes":
            response = redirect(f"{reverse('preview_take', args=[key])}?began={timezone.now().timestamp()}")
            response.delete_cookie(COOKIE, path=reverse("preview_consent", args=[key]))
            return response
    study, information = visit.study, information_of(visit.study)
    context = {
        "study": study,
        "preview_banner": shown_banner(request),
        "facts": facts(study, visit.plan, information),
        "paragraphs": paragraphs(study.consent),
        "agreement": agreement(),
        "information": information,
        "device_rule": device_rule(information),
        "going_on": "",
        "begin_token": "",
        "refusal": None,
        "action": request.get_full_path(),
        "copy_address": reverse("preview_consent_copy", args=[key]),
        "trials": visit.plan.trials,
        "scripts": scripts(visit.plan),
    }
    return render(request, "participant/consent.html", context)


@require_safe
@preview_page
def consent_copy(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """Send the text of the consent form as a file."""
    headers = {"Content-Disposition": f'attachment; filename="{visit.study.slug}-preview.txt"'}
    text = form_text(visit.study, visit.plan)
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


@require_safe
@preview_page
def take(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """Where answers are given; or the end, when the visit is over."""
    if (outcome := ended_as(request, key)) is not None:
        return redirect("preview_end", key, outcome)
    if "began" not in request.GET:
        return redirect("preview_consent", key)
    began = read_began(request.GET["began"])
    shown = visit.visit([])
    names = ("state", "responses", "events", "finish", "done")
    config = {
        "participant": visit.participant.name,
        "began": began.timestamp(),
        "script": static("js/study.js"),
        "urls": {name: reverse(f"preview_{name}", args=[key]) for name in names}
        | {"study": reverse("preview_take", args=[key])},
        "state": shown.to_json(),
    }
    context = {
        "study": visit.study,
        "participant": visit.participant,
        "preview_banner": shown_banner(request),
        "withdraw_address": reverse("preview_withdraw", args=[key]),
        "page_script": static("js/preview.js"),
        "config": config,
        "first_images": shown.first_images(),
        "words": script_words(visit.study.language),
        "information": information_of(visit.study),
    }
    return render(request, "participant/study.html", context)


def read_began(text: object) -> datetime:
    """Read when a visit began; now for what is no such moment."""
    try:
        seconds = float(str(text))
    except ValueError:
        return timezone.now()
    now = timezone.now()
    return datetime.fromtimestamp(seconds, UTC) if EARLIEST_S < seconds < now.timestamp() else now


def read_visit(
    request: HttpRequest, visit: PreviewedVisit
) -> tuple[dict[str, Any], list[KeptAnswer], datetime]:
    """Read what the scripts sent: what they posted, the answers before it, and when the visit began.

    :raises Refused: it is not what ``static/js/preview.js`` sends.
    """
    body = read_body(request.read(LARGEST_VISIT + 1), LARGEST_VISIT)
    posted = body.get("posted")
    if not isinstance(posted, dict):
        raise Malformed("posted", "is missing", "what is posted")
    return posted, visit.read_kept(body.get("answers", [])), read_began(body.get("began"))


@preview_api
def state(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """Tell what is answered and what is not asked, after the answers that the browser holds."""
    _, kept, began = read_visit(request, visit)
    return JsonResponse({**visit.visit(kept).to_json(), "tables": tables(visit, kept, began)})


@preview_api
def responses(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """Take an answer, which the browser then holds, and tell what would be stored."""
    posted, kept, began = read_visit(request, visit)
    answer = visit.read_one(posted, timezone.now())
    first = next((one for one in kept if one.trial.name == answer.trial.name), None)
    kept += [answer] if first is None else []
    stored = first or answer
    reply = {
        "acknowledged": True,
        "duplicate": first is not None,
        "differs": False,
        "kept": {
            "trial_id": stored.trial.name,
            "response_id": str(stored.answer.response_id),
            "received_at": stored.received_at.isoformat(timespec="milliseconds"),
        },
        "tables": tables(visit, kept, began),
    }
    return JsonResponse(reply)


def tables(visit: PreviewedVisit, kept: list[KeptAnswer], began: datetime) -> list[dict[str, Any]]:
    return [*response_tables(visit, kept, began), participant_table(visit, kept, began)]


@preview_api
def events(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """Read events as those of participants are read, and tell what would be stored."""
    posted, _, _ = read_visit(request, visit)
    posts = read_events(posted)
    table = event_table(visit, posts, timezone.now())
    return JsonResponse({"acknowledged": True, "events": len(posts), "more": [table]})


@preview_api
def finish(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """Tell how the visit ended; its end page is that of ``done``."""
    _, kept, began = read_visit(request, visit)
    outcome = visit.finish(kept)
    reply = JsonResponse({"finished": True, "completion_code": CODE, "tables": tables(visit, kept, began)})
    reply.set_signed_cookie(
        COOKIE,
        str(outcome),
        salt=key,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
        path=reverse("preview_consent", args=[key]),
    )
    return reply


def ended_as(request: HttpRequest, key: str) -> str | None:
    """Return how this browser's visit ended; None while it goes on."""
    outcome = request.get_signed_cookie(COOKIE, None, salt=key)
    return outcome if outcome in set(Outcome) else None


@require_safe
@preview_page
def done(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """The end page of how the visit ended; before the end, back to the trials."""
    outcome = ended_as(request, key)
    return redirect("preview_consent", key) if outcome is None else redirect("preview_end", key, outcome)


@require_POST
@preview_page
def withdraw(request: HttpRequest, visit: PreviewedVisit, key: str) -> HttpResponse:
    """Show the page of somebody who stops."""
    return redirect("preview_end", key, str(Outcome.WITHDRAWN))


@require_safe
@preview_page
def end(request: HttpRequest, visit: PreviewedVisit, key: str, *, outcome: str) -> HttpResponse:
    """Show the end page of an outcome. Nobody is sent anywhere: where to is written on it."""
    if outcome not in set(Outcome):
        return redirect("preview_consent", key)
    how = Outcome(outcome)
    page = page_of(visit.study, how)
    shown: End = make_end(visit.study, page, page.code or (CODE if how is Outcome.FINISHED else ""), {})
    context = {
        "study": visit.study,
        "preview_banner": shown_banner(request),
        "participant": None if how is Outcome.DECLINED else visit.participant,
        "end": shown,
        "stays_here": True,
        "debriefing": paragraphs(visit.study.debriefing) if how is Outcome.FINISHED else [],
    }
    return render(request, "participant/end.html", context)
