"""What the server says no to: the HTTP status that fits, words for experimenters and for participants."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from almond.errors import InputError


class Reason(StrEnum):
    """Why a request is refused, as the participant's page tells cases apart."""

    MALFORMED = "malformed"
    NOT_THEIRS = "not_theirs"
    UNKNOWN = "unknown"
    ORIGIN = "origin"
    PAUSED = "paused"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    UNFINISHED = "unfinished"
    FINISHED = "finished"
    FULL = "full"
    TAKEN_PART = "taken_part"
    RESUME = "resume"
    CONSENT = "consent"
    DECLINED = "declined"
    SCREENED_OUT = "screened_out"
    BUDGET = "budget"
    FORM = "form"
    LINK = "link"
    CODE = "code"
    NEW_DEVICE = "new_device"
    TOO_MANY = "too_many"
    PREVIEW_OVER = "preview_over"


SAY = {
    Reason.MALFORMED: _("The site could not read this answer."),
    Reason.NOT_THEIRS: _("The site does not know this answer as one of yours."),
    Reason.UNKNOWN: _("The site does not know this answer as one of yours."),
    Reason.ORIGIN: _("The site takes no answers from this address. Please tell the people who invited you."),
    Reason.PAUSED: _("The study is paused at the moment."),
    Reason.ENDED: _("This study has ended and takes no more answers."),
    Reason.WITHDRAWN: _("You have stopped taking part."),
    Reason.UNFINISHED: _("Some answers are not stored yet."),
    Reason.FINISHED: _("You have finished already."),
    Reason.FULL: _("This study has all the participants it needs. Thank you for your interest."),
    Reason.TAKEN_PART: _(
        "Somebody with this link takes part already. If it was you, continue in the browser in "
        "which you began, or enter the code that was shown there."
    ),
    Reason.RESUME: _("This code does not belong to your link. Please look at it again."),
    Reason.DECLINED: _("You decided not to take part."),
    Reason.SCREENED_OUT: _("The study ends here for you."),
    Reason.BUDGET: _("This study has all the participants it needs. Thank you for your interest."),
    Reason.CONSENT: _("Please tick the box if you agree to take part."),
    Reason.FORM: _("This page was open for too long. Please try again."),
    Reason.LINK: _("This link is not complete. Please open the link from your invitation again."),
    Reason.CODE: _("Nobody has this code. Please look at it again."),
    Reason.NEW_DEVICE: _(
        "This link was used already, or is too old. Please ask the people who invited you for a new one."
    ),
    Reason.PREVIEW_OVER: _("The time of this preview is over. Ask the people who sent you the link."),
    Reason.TOO_MANY: _("Too much came from your connection at once. Please wait a moment."),
}
"""Reason -> what a participant reads."""


class Refused(InputError):
    """A request that cannot be granted. Nothing of it was stored, except that it was made."""

    status = 400
    reason = Reason.MALFORMED

    def __init__(
        self, source: object, problem: str, expected: str | None = None, *, reason: Reason | None = None
    ) -> None:
        super().__init__(source, problem, expected)
        self.reason = reason or type(self).reason

    @property
    def say(self) -> str:
        """What a participant reads of it."""
        return str(SAY[self.reason])

    def to_json(self) -> dict[str, Any]:
        return {
            "acknowledged": False,
            "reason": self.reason,
            "say": self.say,
            "error": {"field": self.source, "problem": self.problem, "expected": self.expected},
            "message": str(self),
        }


class Malformed(Refused):
    """The body, or a field of it, is not what was expected."""


class NotTheirs(Refused):
    """The trial is somebody else's, or the request came from another site."""

    status = 403
    reason = Reason.NOT_THEIRS


class Unknown(Refused):
    """There is no such trial, or nobody with such a code."""

    status = 404
    reason = Reason.UNKNOWN


class NotNow(Refused):
    """The state of the study or of the participant does not allow it; ``reason`` says which."""

    status = 409
    reason = Reason.PAUSED


class TooMany(Refused):
    """More than the study's limits allow; ``retry_after`` seconds later it may be tried again."""

    status = 429
    reason = Reason.TOO_MANY

    def __init__(
        self, source: object, problem: str, expected: str | None = None, *, retry_after: int
    ) -> None:
        super().__init__(source, problem, expected)
        self.retry_after = retry_after
