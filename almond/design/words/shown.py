"""The words that come before the blocks of a study, in its language, as the plan records them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Strict

from almond.design.parts import PlannedBlock
from almond.design.trials import TRIAL_KINDS
from almond.design.words import ENGLISH, LANGUAGES
from almond.design.words.base import KindWords
from almond.errors import InputError
from almond.shapes import Shape, Text


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


def words_before(block: PlannedBlock, language: str, instructions: str = "") -> BlockWords:
    """Return what participants read before a block.

    :param instructions: those of the experimenter; without them the kind's own.
    :raises InputError: the kind has no words in the language.
    """
    text = instructions or kind_words(block.kind, language).instructions(block)
    player, _ = TRIAL_KINDS.load(block.kind).played_as(block)
    return BlockWords(block=block.name, instructions=text, keys=kind_words(player.name, language).keys)
