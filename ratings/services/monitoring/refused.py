"""Why people were not let in and why posts stored nothing, in the words of whoever runs the study."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max

from ratings.models import Arrival, Attempt, Progress
from ratings.services.refusals import Reason
from studies.models import Study

LAST = 8
"""So many of the last refused posts are shown."""


@dataclass(frozen=True)
class Words:
    """What happened, and what can be done about it."""

    what: str
    do: str = ""


ARRIVALS = {
    "placeholder": Words(
        "A panel's link with unfilled placeholders",
        "Look at the study's link on the panel: its ids have to be switched on there as parameters.",
    ),
    "other_study": Words(
        "A link of another study of the panel, or without its study id",
        "Compare Prolific's study id here with that on Prolific.",
    ),
    Reason.LINK: Words("A link with an id that no panel gives out"),
    Reason.TAKEN_PART: Words(
        "An id that takes part already, in another browser",
        "Whoever writes that they are locked out: find them by their id and let them in on a new device.",
    ),
    Reason.RESUME: Words("A wrong code for going on in another browser"),
    Reason.FULL: Words("The study had all its participants"),
    Reason.PAUSED: Words("The study was paused"),
    Reason.ENDED: Words("The study was closed"),
    Reason.DECLINED: Words("Read the consent and decided not to take part"),
    Reason.BUDGET: Words(
        "The budget could not pay them", "Raise the budget on the study's page of recruiting and paying."
    ),
    Reason.CONSENT: Words("The box of the consent was not ticked"),
    Reason.FORM: Words("The consent form was a day old, or its token was changed"),
    Reason.TOO_MANY: Words(
        "Too many arrivals from one internet address within a minute",
        "For a class behind one address, raise the study's arrivals per minute.",
    ),
    Reason.ORIGIN: Words(
        "A page under an address that the site does not know",
        "Name the public address in ALMOND_ORIGINS, or in ALMOND_HOSTS.",
    ),
    "": Words("For a reason that was not noted"),
}
POSTS = {
    "origin": Words(
        "From a page under an address that the site does not know",
        "Name the public address in ALMOND_ORIGINS, or in ALMOND_HOSTS.",
    ),
    "closed": Words("While the study was paused, or after it had ended"),
    "stopped": Words("From somebody who had stopped taking part, or was screened out"),
    "other_images": Words(
        "With other images than the trial's", "Something on the way may change images, such as a data saver."
    ),
    "unreadable": Words("Unreadable: a field was missing or out of its range"),
    "not_theirs": Words("To a trial of somebody else"),
    "unknown": Words("To a trial that does not exist"),
    "duplicate": Words("A second answer to a trial, from another window; the first one counts"),
    "altered": Words("The same answer again with other content; the first one counts"),
}


def code_of_post(outcome: str, status: int, detail: str, name: str) -> str:
    """Return which of ``POSTS`` an attempt was, from its status and the field that it names.

    :param name: of the participant. Where the detail was erased, they had stopped.
    """
    field = detail.partition(":")[0]
    if outcome in (Attempt.Outcome.DUPLICATE, Attempt.Outcome.ALTERED):
        return outcome
    if status == 409:
        return "stopped" if field in (name, "") else "closed"
    if status == 403:
        return "origin" if field == "origin" else "not_theirs"
    if status == 404:
        return "unknown"
    return "other_images" if field.startswith("images") else "unreadable"


def code_of_arrival(reason: str, refusal: str) -> str:
    """Return which of ``ARRIVALS`` somebody's refusal was."""
    if reason == Reason.LINK and refusal.startswith("STUDY_ID"):
        return "other_study"
    if reason == Reason.LINK and ("{" in refusal or "%" in refusal):
        return "placeholder"
    return reason if reason in ARRIVALS else ""


def refused_arrivals(study: Study) -> list[dict[str, Any]]:
    """Return why people were not let in: what, what to do, how many, and the last; most often first."""
    refused = Arrival.objects.filter(study=study).exclude(refusal="").order_by()
    counts: Counter[str] = Counter()
    last: dict[str, Any] = {}
    for reason, refusal, count, at in refused.values_list("reason", "refusal").annotate(
        Count("pk"), Max("at")
    ):
        code = code_of_arrival(reason, refusal)
        counts[code] += count
        last[code] = max(at, last.get(code, at))
    return [
        {"why": ARRIVALS[code].what, "do": ARRIVALS[code].do, "count": count, "at": last[code]}
        for code, count in counts.most_common()
    ]


def refused_posts(study: Study) -> dict[str, Any]:
    """Return ``reasons`` of posts that stored nothing new, most often first, and the ``last`` ones."""
    people = Progress.objects.of_people(study.pk).filter(refused_at__isnull=False)
    counts: Counter[str] = Counter()
    for refused in people.values_list("refused", flat=True):
        counts.update(refused)
    return {
        "reasons": [
            {"why": POSTS[code].what, "do": POSTS[code].do, "count": count}
            for code, count in counts.most_common()
        ],
        "last": last_posts(list(people.order_by("-refused_at").values_list("pk", flat=True)[:LAST])),
    }


def last_posts(participants: list[int]) -> list[dict[str, Any]]:
    """Return the last refused posts of those from whom one came last."""
    rows = (
        Attempt.objects.filter(participant__in=participants)
        .exclude(outcome__in=[Attempt.Outcome.STORED, Attempt.Outcome.REPEATED])
        .order_by("-id")
        .values_list("at", "outcome", "status", "detail", "participant", "participant__name")[:LAST]
    )
    return [
        {
            "at": at,
            "participant": pk,
            "name": name,
            "why": POSTS[code_of_post(outcome, status, detail, name)].what,
            "detail": detail,
        }
        for at, outcome, status, detail, pk, name in rows
    ]
