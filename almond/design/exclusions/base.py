"""What an exclusion rule is: parameters, the sentence that a plan prints, and whom it leaves out and why.

A rule is outcome-blind: it sees only the columns of ``BLIND_COLUMNS``, in which nothing tells what an image
was made for, which side was the high one, or what was predicted of it; images bear numbers. It judges every
participant by that participant's own rows, so that the order of rules decides only whose reason is named.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from almond.shapes import Shape

if TYPE_CHECKING:  # forms read the parameters of rules without tables
    import pandas as pd

_RESPONSE = ("participant_id", "trial_index", "block", "rt_ms", "received_at", "late", "marks", "gap_ms")

BLIND_COLUMNS: dict[str, tuple[str, ...]] = {
    "participants": (
        "participant_id",
        "status",
        "started_at",
        "finished_at",
        "trials_planned",
        "trials_done",
        "excluded",
        "excluded_reason",
        "excluded_blind",
    ),
    "ratings": (*_RESPONSE, "repeat", "stimulus_id", "construct", "value"),
    "choices": (*_RESPONSE, "chosen"),
    "events": ("participant_id", "trial_index", "kind", "page_ms", "detail", "received_at"),
    "checks": ("participant_id", "trial_index", "block", "passed"),
}
"""All that a rule may read, by table: whatever an export holds beside it is taken away. Choices lack their
construct and their images, for both name the target."""


@dataclass(frozen=True)
class BlindTables:
    """An export's tables of the participants to judge, with the columns of ``BLIND_COLUMNS`` alone.

    Images in ``ratings`` have whole numbers in place of their names. ``events`` is None where the export has
    no such table, as is ``checks``, the answers to attention and comprehension checks, of a study without
    any. Older exports lack columns that came later, such as ``marks``.
    """

    participants: pd.DataFrame
    ratings: pd.DataFrame
    choices: pd.DataFrame
    events: pd.DataFrame | None
    checks: pd.DataFrame | None = None

    @property
    def people(self) -> tuple[str, ...]:
        """Ids of the participants to judge, in the order of the export."""
        return tuple(map(str, self.participants["participant_id"]))


@dataclass(frozen=True)
class Judged:
    """Whom a rule leaves out, each with the reason and its number; and whom it has nothing to judge by."""

    caught: Mapping[str, str] = field(default_factory=dict)
    unjudged: tuple[str, ...] = ()


class CannotApply(Exception):
    """The export lacks what a rule needs of everybody; the message says what, after “the rule needs”."""


class ExclusionRule(Shape):
    """Named outcome-blind rule; a kind adds its parameters as fields, each with a default.

    A field's ``title`` and ``description`` are its label and help in the form of a study.
    """

    kind: str

    @abstractmethod
    def words(self) -> str:
        """Say in a sentence who is left out, with every number."""

    def unmet(self, kinds: Collection[str], repeats: int) -> Iterator[tuple[str, str]]:
        """Yield (parameter, problem) for what a plan lacks, so that the rule could judge nobody.

        :param kinds: trial kinds of the plan's blocks. :param repeats: trials that show an image again.
        """
        return iter(())

    def unsimulated(self) -> str:
        """Name what the rule judges people by that simulated studies lack; empty where it is all there."""
        return ""

    @abstractmethod
    def judge(self, tables: BlindTables) -> Judged:
        """Judge every participant of the tables by their own rows.

        :raises CannotApply: the export lacks what the rule needs.
        """


def without_limit(rule: ExclusionRule, *names: str) -> Iterator[tuple[str, str]]:
    """Yield the problem of a rule of whose limits ``names``, two or more, none is set."""
    if all(getattr(rule, name) is None for name in names):
        others = " and ".join(names[1:])
        yield names[0], f"is missing, and so {'is' if len(names) == 2 else 'are'} {others}; a limit is needed"


def over(
    values: Mapping[Any, float], people: Iterable[str], limit: float, why: Callable[[float], str]
) -> Judged:
    """Leave out those whose value lies above ``limit``; who has none (or NaN) is not judged.

    :param why: a value -> the reason, with its number.
    """
    named = {person: values.get(person) for person in people}
    known = {person: float(value) for person, value in named.items() if value is not None and value == value}
    return Judged(
        {person: why(value) for person, value in known.items() if value > limit},
        tuple(person for person in named if person not in known),
    )


def under(
    values: Mapping[Any, float], people: Iterable[str], limit: float, why: Callable[[float], str]
) -> Judged:
    """Leave out those whose value lies below ``limit``; who has none (or NaN) is not judged."""
    negative = {person: -value for person, value in values.items()}
    return over(negative, people, -limit, lambda value: why(-value))


def either(*parts: Judged) -> Judged:
    """Join the parts of a rule: the first that catches somebody gives the reason; who is judged by none of
    them is not judged."""
    caught: dict[str, str] = {}
    for part in reversed(parts):
        caught |= part.caught
    nowhere = [person for person in parts[0].unjudged if all(person in part.unjudged for part in parts)]
    return Judged(caught, tuple(nowhere))


def clauses_joined(parts: Iterable[str]) -> str:
    """Join clauses: ``a``, ``a, or b``, ``a, b, or c``."""
    clauses = list(parts)
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, or {clauses[-1]}"


def percentage(share: float) -> str:
    """Write a share (0 to 1) in percent, with one decimal where it has one."""
    return f"{100 * share:.3g} %"
