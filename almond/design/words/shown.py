"""The words that come before the blocks of a study, in its language, as the plan records them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Strict

from almond.design.parts import PlannedBlock
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.timing import DeadlineBlock, deadline_of
from almond.design.words import ENGLISH, LANGUAGES
from almond.design.words.base import KindWords
from almond.errors import InputError
from almond.shapes import Shape, Text

TIME_LIMIT = "time limit"
"""Under which a language says how long people have for each answer."""


class BlockWords(Shape):
    """What participants read before a block: instructions, an empty line parts paragraphs, and keys."""

    block: Text
    instructions: Annotated[str, Strict()]
    keys: Annotated[str, Strict()]


def kind_words(name: str, language: str) -> KindWords:
    """Return what a trial kind says in a language.

    :raises InputError: there is no such kind or language, or the kind has no words in it.
    """
    kind = TRIAL_KINDS.load(name)
    if language == ENGLISH:
        return KindWords(kind.instructions, kind.keys)
    words = kind.translations.get(language) or LANGUAGES.load(language).get(name)
    if words is None:
        expected = f"its translation, in the kind's module or in almond/design/words/{language}.py"
        raise InputError(f"trial kind {name!r}", f"has no words in the language {language!r}", expected)
    return words


def time_limit(language: str) -> KindWords:
    """Return the sentence on how long people have for each answer, in a language.

    :raises InputError: the language has no such sentence.
    """
    if language == ENGLISH:
        return KindWords(_time_limit, "")
    words = LANGUAGES.load(language).get(TIME_LIMIT)
    if words is None:
        expected = f"its translation in almond/design/words/{language}.py"
        raise InputError(TIME_LIMIT, f"has no words in the language {language!r}", expected)
    return words


def _time_limit(block: DeadlineBlock) -> str:
    seconds = "1 second" if block.deadline_s == 1 else f"{block.deadline_s:g} seconds"
    return f"You have {seconds} for each answer. Then it goes on by itself, without your answer."


def words_before(block: PlannedBlock, language: str, instructions: str = "") -> BlockWords:
    """Return what participants read before a block.

    :param instructions: those of the experimenter; without them the kind's own.
    :raises InputError: the kind has no words in the language.
    """
    text = instructions or kind_words(block.kind, language).instructions(block)
    player, played = TRIAL_KINDS.load(block.kind).played_as(block)
    if deadline_of(played):
        text = f"{text}\n\n{time_limit(language).instructions(played)}"
    return BlockWords(block=block.name, instructions=text, keys=kind_words(player.name, language).keys)
