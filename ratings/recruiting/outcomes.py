"""How a visit can end, and the usual words of the page that says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a visit ended. Each has an end page, a completion code and a way back of its own."""

    FINISHED = "finished"
    SCREENED_OUT = "screened_out"
    DECLINED = "declined"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class OutcomeWords:
    """What an experimenter calls an outcome, and what its participants read where nothing else is written."""

    label: str
    title: str
    text: str
    code: str = "Your code"


WORDS = {
    Outcome.FINISHED: OutcomeWords(
        "finished", "You have finished", "All your answers are stored.", "Your completion code"
    ),
    Outcome.SCREENED_OUT: OutcomeWords(
        "screened out",
        "The study ends here for you",
        "Your answers did not match what this study needs, so nothing more will be asked of you. "
        "Thank you for the time you gave.",
    ),
    Outcome.DECLINED: OutcomeWords(
        "no consent",
        "You are not taking part",
        "Nothing about you was stored. Thank you for considering it.",
    ),
    Outcome.TIMED_OUT: OutcomeWords(
        "timed out",
        "Your time for this study is over",
        "Your place was offered to somebody else. Every answer that reached us is stored.",
    ),
    Outcome.CLOSED: OutcomeWords(
        "study closed",
        "This study has ended",
        "Thank you for taking part. Every answer that reached us is stored; no more are needed.",
        "Your code for the part that you did",
    ),
    Outcome.WITHDRAWN: OutcomeWords(
        "withdrawn",
        "You have stopped taking part",
        "Nothing more will be asked of you. Thank you for the time you gave.",
    ),
}
"""Outcome -> its words, in the order in which forms and tables list them."""


def outcome_choices() -> list[tuple[str, str]]:
    """List (name, label) of the outcomes, as the choices of a form."""
    return [(str(outcome), words.label) for outcome, words in WORDS.items()]
