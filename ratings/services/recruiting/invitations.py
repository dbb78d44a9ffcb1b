"""Single-use links: made by the dozen, each used once."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import secrets

from django.conf import settings
from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from ratings.models import InvitationLink
from ratings.people import seal
from ratings.services.refusals import Malformed, NotNow, Reason
from studies.models import Study

MOST_LINKS = 2000


@transaction.atomic
def make_links(*, study: Study, count: int, by: User | None) -> list[InvitationLink]:
    """Make single-use links of a study.

    :raises InputError: less than one, or more than 2000 at a time.
    """
    if not 1 <= count <= MOST_LINKS:
        raise InputError("links", f"{count}", f"1 to {MOST_LINKS} at a time")
    made = [secrets.token_urlsafe(16) for _ in range(count)]
    links = InvitationLink.objects.bulk_create(
        InvitationLink(study=study, digest=link_digest(study, secret), sealed_secret=seal(secret))
        for secret in made
    )
    record(verb="make links", subject=study, by=by, links=count)
    return links


def link_digest(study: Study, secret: str) -> str:
    """Return the keyed digest by which a link is known; another one than that of the person who used it."""
    said = f"invitation\n{study.pk}\n{secret}"
    return hmac.new(settings.RECRUITMENT_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()


def use_link(study: Study, secret: str) -> None:
    """Use a link up, in the transaction of joining.

    :raises Malformed: nobody made it.
    :raises NotNow: it was used.
    """
    links = InvitationLink.objects.filter(study=study, digest=link_digest(study, secret))
    if links.filter(used=False).update(used=True):
        return
    if not links.exists():
        raise Malformed(
            "invitation", "is no link of this study", "one that was made here", reason=Reason.LINK
        )
    raise NotNow("invitation", "was used already", "a link for each person", reason=Reason.TAKEN_PART)


def invitation_table(study: Study, address: str) -> str:
    """Return the links of a study as CSV: the whole address, and whether it was used.

    :raises InputError: they were sealed under another key.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["link", "used"])
    for link in InvitationLink.objects.filter(study=study):
        writer.writerow([f"{address}?invitation={link.secret}", "yes" if link.used else "no"])
    return text.getvalue()
