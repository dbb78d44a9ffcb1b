"""Who arrives: recruitment ids of a link, limits per internet address, and going on in another browser."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction
from django.db.models import Count, Min, Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from ratings.models import Arrival, ConsentForm, Participant, token_digest
from ratings.services.erasing import locked, read_code
from ratings.services.joining import Joined, Recruit, enter, new_token
from ratings.services.recruiting.ends import plan_of
from ratings.services.recruiting.payments import pause_at_budget
from ratings.services.refusals import Malformed, NotTheirs, Reason, Refused, TooMany
from studies.models import Study

MINUTE = timedelta(minutes=1)
CODES_PER_MINUTE = 10
MOST_REFUSALS = 1000
RESUME_LETTERS = 8
PASS_MINUTES = 30
"""So long an experimenter's link lets somebody in on a new device."""


def read_recruit(study: Study, query: Mapping[str, str]) -> Recruit | None:
    """Read recruitment ids from the parameters of a link, as the study's recruiter has them.

    :raises Malformed: an id of another form, such as a placeholder, another study's, or a missing one.
    """
    try:
        arrived = plan_of(study).source().read(query)
    except InputError as error:
        raise Malformed(error.source, error.problem, error.expected, reason=Reason.LINK) from error
    if arrived is None:
        return None
    return Recruit(arrived.source, arrived.external_id, arrived.details, arrived.personal)


def address_key(address: str) -> str:
    """Return the keyed digest under which an internet address is counted; it cannot be turned back."""
    return salted_hmac("ratings.arrival", address, algorithm="sha256").hexdigest()


def arrive(
    *, study: Study, token: str, recruit: Recruit | None, address: str, form: ConsentForm | None = None
) -> Joined:
    """Let somebody join, with a token that was nobody's a moment ago, and count their internet address.

    :param form: what they agreed to.
    :raises TooMany: more in a minute from one address than the study's limit.
    :raises NotNow: as ``join``.
    """
    arrival = check_arrivals(study, address)
    try:
        kind = Participant.Kind.PERSON
        return enter(study=study, token=token, recruit=recruit, kind=kind, arrival=arrival, form=form)
    except Refused as refusal:
        arrival.save(force_insert=True)  # who is not let in counts as well
        if refusal.reason == Reason.BUDGET:
            pause_at_budget(study)
        raise


def count_arrival(study: Study | None, address: str) -> None:
    """Count somebody who goes on in another browser, or without a study who enters a withdrawal code.

    :raises TooMany: more in a minute from one address than the study's limit.
    """
    check_arrivals(study, address).save(force_insert=True)


def check_arrivals(study: Study | None, address: str) -> Arrival:
    """Return the row by which an arrival is counted, not yet stored.

    :raises TooMany: more in a minute from one address than the study's limit.
    """
    now, key = timezone.now(), address_key(address)
    most = study.joins_per_minute if study else CODES_PER_MINUTE
    arrivals = Arrival.objects.filter(study=study)
    recent = Q(address_digest=key, at__gt=now - MINUTE)
    counted = arrivals.aggregate(
        here=Count("pk", filter=recent),
        first=Min("at", filter=recent),
        oldest=Min("at", filter=Q(refusal="")),
    )
    if counted["here"] >= most:
        raise TooMany(
            "address",
            f"sent {most} arrivals within a minute",
            "fewer, or a higher limit of the study",
            retry_after=seconds_until(counted["first"] + MINUTE, now),
        )
    if counted["oldest"] and counted["oldest"] <= now - 2 * MINUTE:
        arrivals.filter(refusal="", at__lte=now - MINUTE).delete()
    return Arrival(study=study, address_digest=key, at=now)


def seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, int((moment - now).total_seconds()) + 1)


def note_refused_arrival(study: Study, address: str, refusal: Refused) -> None:
    """Write down, for the monitor, that somebody was not let in; of the last thousand at most."""
    refused = Arrival.objects.filter(study=study).exclude(refusal="")
    if refused.count() < MOST_REFUSALS:
        Arrival.objects.create(
            study=study,
            address_digest=address_key(address),
            at=timezone.now(),
            refusal=str(refusal)[:200],
            reason=refusal.reason,
        )


def resume_code(participant: Participant) -> str:
    """Return the code by which this person may go on in another browser; another one after each use."""
    digest = salted_hmac("ratings.resume", f"{participant.pk} {participant.token_digest}", algorithm="sha256")
    return base64.b32encode(digest.digest()).decode()[:RESUME_LETTERS]


@transaction.atomic
def resume(*, study: Study, recruit: Recruit, code: str) -> Joined:
    """Hand a participant's pages to another browser: a new token; that of the former browser ends.

    :raises NotTheirs: nobody with this recruitment id, or another code.
    """
    participant = (
        Participant.objects.select_for_update(of=("self",))
        .filter(study=study, recruitment__id_digest=recruit.digest(study))
        .first()
    )
    if participant is None or not constant_time_compare(resume_code(participant), read_code(code)):
        raise NotTheirs(
            "code", "is not the one of this link", "the code shown where you began", reason=Reason.RESUME
        )
    return hand_over(participant)


def hand_over(participant: Participant) -> Joined:
    """Give a participant, whose row is locked, a new token; that of the former browser ends."""
    token = new_token()
    participant.token_digest, participant.last_seen_at = token_digest(token), timezone.now()
    participant.save(update_fields=["token_digest", "last_seen_at"])
    return Joined(participant, token)


@transaction.atomic
def let_in(*, participant: Participant, by: User | None) -> str:
    """Make the pass of a link by which a participant goes on in another browser: once, and soon.

    It is not stored: it is signed together with the present token, and so ends with that.

    :raises InputError: somebody who has withdrawn or was erased, who has nothing to go on with.
    """
    current = locked(participant)
    if current.status == Participant.Status.WITHDRAWN or current.erased_at:
        problem = "was erased" if current.erased_at else "has withdrawn"
        raise InputError(current.name, problem, "somebody who takes part or has finished")
    record(verb="let in", subject=current, by=by, minutes=PASS_MINUTES)
    return _signer(current).sign(current.name)


def _signer(participant: Participant) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"ratings.pass {participant.token_digest}", sep=".")


def find_by_pass(device_pass: str, *, lock: bool = False) -> Participant:
    """Find whom a pass lets in.

    :raises NotTheirs: it was used, its time is over, or it was changed.
    """
    rows = Participant.objects.select_for_update(of=("self",)) if lock else Participant.objects.all()
    participant = rows.without_texts().filter(name=device_pass.partition(".")[0]).first()
    try:
        if participant is None:
            raise signing.BadSignature
        _signer(participant).unsign(device_pass, max_age=timedelta(minutes=PASS_MINUTES))
    except signing.BadSignature as error:
        problem = f"was used, is older than {PASS_MINUTES} minutes, or was changed"
        raise NotTheirs("link", problem, "a fresh one", reason=Reason.NEW_DEVICE) from error
    return participant


@transaction.atomic
def enter_with_pass(device_pass: str) -> Joined:
    """Hand a participant's pages to the browser that has an experimenter's pass.

    :raises NotTheirs: it was used, its time is over, or it was changed.
    """
    joined = hand_over(find_by_pass(device_pass, lock=True))
    record(verb="enter", subject=joined.participant, by=None)
    return joined
