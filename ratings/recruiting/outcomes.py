"""How a visit can end, and the usual words of the page that says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Outcome(StrEnum):
    """How a visit ended. Each has an end page, a completion code and a way back of its own."""

    FINISHED = "finished"
    SCREENED_OUT = "screened_out"
    QUOTA_FULL = "quota_full"
    DECLINED = "declined"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


YOUR_CODE = _("Your code")


@dataclass(frozen=True)
class OutcomeWords:
    """What an experimenter calls an outcome, and what its participants read where nothing else is written,
    in the language that is active."""

    label: str
    title: StrOrPromise
    text: StrOrPromise
    code: StrOrPromise = YOUR_CODE


WORDS = {
    Outcome.FINISHED: OutcomeWords(
        "finished", _("You have finished"), _("All your answers are stored."), _("Your completion code")
    ),
    Outcome.SCREENED_OUT: OutcomeWords(
        "screened out",
        _("The study ends here for you"),
        _(
            "Your answers did not match what this study needs, so nothing more will be asked of you. "
            "Thank you for the time you gave."
        ),
    ),
    Outcome.QUOTA_FULL: OutcomeWords(
        "quota full",
        _("All places for your group are taken"),
        _(
            "The study needs a certain number of people in each group, and has them in yours. "
            "Thank you for the time you gave."
        ),
    ),
    Outcome.DECLINED: OutcomeWords(
        "no consent",
        _("You are not taking part"),
        _("Nothing about you was stored. Thank you for considering it."),
    ),
    Outcome.TIMED_OUT: OutcomeWords(
        "timed out",
        _("Your time for this study is over"),
        _("Your place was offered to somebody else. Every answer that reached us is stored."),
    ),
    Outcome.CLOSED: OutcomeWords(
        "study closed",
        _("This study has ended"),
        _("Thank you for taking part. Every answer that reached us is stored; no more are needed."),
        _("Your code for the part that you did"),
    ),
    Outcome.WITHDRAWN: OutcomeWords(
        "withdrawn",
        _("You have stopped taking part"),
        _("Nothing more will be asked of you. Thank you for the time you gave."),
    ),
}
"""Outcome -> its words, in the order in which forms and tables list them."""


def outcome_choices() -> list[tuple[str, str]]:
    """List (name, label) of the outcomes, as the choices of a form."""
    return [(str(outcome), words.label) for outcome, words in WORDS.items()]
