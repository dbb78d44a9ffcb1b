"""What a questionnaire is: items on one scale of answers, and the key by which they are summed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class QuestionnaireItem:
    """One statement; ``reversed`` ones count against their scale."""

    text: str
    scale: str
    reversed: bool = False


@dataclass(frozen=True)
class Questionnaire:
    """A published instrument, with its source and the licence under which it is shipped.

    Answers are numbered from 1, in the order of ``answers``. ``scales`` says what a high sum means;
    ``language`` is that of items and answers.
    """

    title: str
    source: str
    licence: str
    instruction: str
    answers: tuple[str, ...]
    items: tuple[QuestionnaireItem, ...]
    scales: Mapping[str, str]
    language: str = "en"

    def scored(self, number: int, value: int) -> int:
        """Return the points of an answer to item ``number`` (from 1): reversed, where the item is."""
        return len(self.answers) + 1 - value if self.items[number - 1].reversed else value

    def sums(self, values: Mapping[int, int]) -> dict[str, int]:
        """Sum the points of each scale.

        :param values: number of every item -> answer, from 1.
        """
        totals = dict.fromkeys(self.scales, 0)
        for number, item in enumerate(self.items, start=1):
            totals[item.scale] += self.scored(number, values[number])
        return totals
