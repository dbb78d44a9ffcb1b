"""The usual words of a study, offered where an experimenter writes none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from django.utils.translation import gettext as _
from django.utils.translation import override

from almond.design.words import ENGLISH, LANGUAGES


def paragraphs(*lines: str) -> str:
    return "\n\n".join(lines)


def consent(language: str = ENGLISH) -> str:
    with override(language):
        return paragraphs(
            _(
                "In this study you look at pictures of small scenes and say how they strike you."
                " There are no right or wrong answers."
            ),
            _(
                "Taking part is voluntary. You may stop at any time, without giving a reason,"
                " with the button “Stop taking part”."
            ),
            _(
                "We store your answers, how long they took, and whether the window was in view while you"
                " answered. We store no name and no address. Answers are kept under a random name and may be"
                " published in that form."
            ),
        )


def debriefing(language: str = ENGLISH) -> str:
    with override(language):
        return paragraphs(
            _(
                "For each of these pictures, a model of the brain predicts how strongly small regions respond"
                " to it. We want to know whether people experience pictures differently where the"
                " predictions differ."
            ),
            _("Your answers help to find out. Thank you."),
        )


USUAL: dict[str, Callable[[str], str]] = {"consent": consent, "debriefing": debriefing}
"""Field of a study -> its usual words in a language."""


def language_of_usual(field: str, text: str) -> str | None:
    """Return the language whose usual words a text is; None for words of the experimenter."""
    lines = text.split()
    return next((name for name in LANGUAGES.names() if USUAL[field](name).split() == lines), None)


def in_language(field: str, text: str, language: str) -> str:
    """Return a text, or the usual words of a language where it is those of another."""
    return text if language_of_usual(field, text) in (None, language) else USUAL[field](language)


class InALanguage(Protocol):
    """A row with the texts of ``USUAL``, in its language."""

    language: str


def follow_language(study: InALanguage) -> None:
    """Put the usual words of a study's language in the place of those of another."""
    for field in USUAL:
        setattr(study, field, in_language(field, getattr(study, field), study.language))


UNMATCHED = (
    "Needed where the matched set is not matched: why it is shown all the same. Printed in plan and report."
)
