"""The link of a preview: signed, for one list and one language of a study, until a moment."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta

from django.core import signing
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.design.plan import StudyPlan
from almond.design.words import LANGUAGES
from almond.errors import InputError
from ratings.services.previewing.visits import study_to_preview
from ratings.services.refusals import NotTheirs, Reason
from studies.models import Study

SALT = "ratings.preview"
LIFETIMES = {1: "1 hour", 24: "1 day", 7 * 24: "7 days"}
"""Hours that a link may last -> in words."""


@dataclass(frozen=True)
class PreviewLink:
    """What a link lets somebody try: a list, from 0, of a study, in a language, until a moment (UNIX, s)."""

    study: int
    list: int
    language: str
    until: int

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(self.until, UTC)


def preview_languages(study: Study) -> list[str]:
    """Return the languages in which a study can be tried: its own, and those that have all of its words.

    :raises InputError: with everything in the way of a draft.
    """
    own = study.language
    study_to_preview(study.pk, own)
    return [own, *(name for name in LANGUAGES.names() if name != own and _is_complete(study.pk, name))]


def _is_complete(study: int, language: str) -> bool:
    try:
        study_to_preview(study, language)
    except InputError:
        return False
    return True


def number_of_lists(study: Study, plan: StudyPlan) -> int:
    """Return how many lists of trials a study has, or as a draft would have."""
    return max(study.n_lists, len(plan.arms)) if study.is_draft else study.lists.count()


@transaction.atomic
def make_preview_link(*, study: Study, number: int, language: str, hours: int, by: User | None) -> str:
    """Make the key of a link, which is not stored but signed.

    :raises InputError: a list, a language or a lifetime that there is not, or a draft that is not ready.
    """
    if hours not in LIFETIMES:
        raise InputError("lifetime", f"is {hours} hours", f"one of {', '.join(map(str, LIFETIMES))} hours")
    _, plan = study_to_preview(study.pk, language)
    lists = number_of_lists(study, plan)
    if not 0 <= number < lists:
        raise InputError("list", f"is {number}", f"from 0 to {lists - 1}")
    until = int((timezone.now() + timedelta(hours=hours)).timestamp())
    link = PreviewLink(study.pk, number, language, until)
    record(verb="make a preview link", subject=study, by=by, list=number, language=language, hours=hours)
    return str(signing.dumps(astuple(link), salt=SALT))


def read_preview_link(key: str) -> PreviewLink:
    """Read a link.

    :raises NotTheirs: it was changed, or its time is over.
    """
    try:
        link = PreviewLink(*signing.loads(key, salt=SALT))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise NotTheirs("link", "is not as it was made", "the whole link", reason=Reason.LINK) from error
    if link.until <= timezone.now().timestamp():
        raise NotTheirs("link", "has expired", "a new one", reason=Reason.PREVIEW_OVER)
    return link
