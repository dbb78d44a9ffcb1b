"""Quotas of a form, one field a line: groups of its answers, each with the most people who may give them.

``gender: woman 30, man 30, another | no answer 6``, or ``age: younger = 18-34 20, older = 35-99 20``:
a group is one of the field's answers or several with ``|`` between, or a range of numbers with both ends;
before ``=`` stands its name, else it is called by what it says. Whose answer is in no group is never refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.design.trials.pages.form_fields import RANGE, FormField, number_text

GROUP = re.compile(r"(?:(?P<name>[^=]*?)\s*=\s*)?(?P<answers>\S.*?)\s+(?P<most>\d{1,7})")
EXPECTED = "a line such as “gender: woman 30, man 30” or “age: 18-34 20, 35-99 20”"
LONGEST_NAME = 80


@dataclass(frozen=True)
class QuotaGroup:
    """A group of answers to a field of a block: one of ``options``, or a number from ``low`` to ``high``;
    at most ``most`` people of a study may be in it."""

    block: str
    field: str
    name: str
    most: int
    options: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells groups of a plan apart."""
        return self.block, self.field, self.name

    @property
    def words(self) -> str:
        return f"{self.field}: {self.name}"

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the values posted for a form are in this group."""
        value = values.get(self.field)
        if value is None:
            return False
        return value in self.options if self.options else self.low <= value <= self.high

    def overlaps(self, other: QuotaGroup) -> bool:
        """Tell whether an answer to the same field can be in both."""
        if self.options or other.options:
            return bool(set(self.options) & set(other.options))
        return self.low <= other.high and other.low <= self.high


def read_quota_groups(
    block: str, lines: Sequence[str], fields: Sequence[FormField]
) -> tuple[QuotaGroup, ...]:
    """Read the groups of a block's lines, leaving out what is wrong with them."""
    return tuple(part for part in quota_parts(block, lines, fields) if isinstance(part, QuotaGroup))


def quota_problems(block: str, lines: Sequence[str], fields: Sequence[FormField]) -> Iterator[str]:
    """Yield what is wrong with the lines of a block, each with its number."""
    return (part for part in quota_parts(block, lines, fields) if isinstance(part, str))


def quota_parts(block: str, lines: Sequence[str], fields: Sequence[FormField]) -> Iterator[QuotaGroup | str]:
    """Yield the groups of a block's lines, and as text what is wrong with a line."""
    known = {field.name: field for field in fields if field.type != "text"}
    before: list[QuotaGroup] = []
    for number, line in enumerate(lines, start=1):
        name, colon, rest = line.partition(":")
        field = known.get(name.strip())
        if not colon or not rest.strip():
            yield f"line {number}: is {line!r}, not {EXPECTED}"
        elif field is None:
            fitting = ", ".join(known) or "none"
            yield f"line {number}: {name.strip()!r} is no number or choice of this form; these are: {fitting}"
        else:
            for part in map(str.strip, rest.split(",")):
                group = _group_of(block, field, part)
                problem = group if isinstance(group, str) else _clash(group, before)
                if problem is not None:
                    yield f"line {number}: {problem}"
                elif isinstance(group, QuotaGroup):
                    before.append(group)
                    yield group


def _clash(group: QuotaGroup, before: Sequence[QuotaGroup]) -> str | None:
    for other in before:
        if other.field == group.field and other.name == group.name:
            return f"{group.words!r} stands more than once"
        if other.field == group.field and other.overlaps(group):
            return f"{group.words!r} overlaps {other.words!r}: an answer can be in one group only"
    return None


def _group_of(block: str, field: FormField, text: str) -> QuotaGroup | str:
    """Read one group; return what is wrong with it as text."""
    match = GROUP.fullmatch(text)
    if match is None:
        return f"{text!r} has no number of people at its end, as in “woman 30”"
    answers, most = match["answers"], int(match["most"])
    name = (match["name"] or answers).strip()
    if len(name) > LONGEST_NAME:
        return f"the name {name[:30]!r}… is longer than {LONGEST_NAME} characters: write one before “=”"
    if most < 1:
        return f"{name!r} takes nobody: the number of people is at least 1"
    if field.type == "choice":
        options = tuple(option.strip() for option in answers.split("|"))
        if unknown := [option for option in options if option not in field.options]:
            return f"{unknown[0]!r} is no answer to {field.name!r}: {', '.join(field.options)}"
        return QuotaGroup(block, field.name, name, most, options=options)
    span = RANGE.fullmatch(answers)
    if span is None:
        return f"{answers!r} is no range of numbers, as in “18-34 {most}”"
    low, high = float(span[1]), float(span[2])
    if low > high or high < field.low or low > field.high:
        own = f"{number_text(field.low)} to {number_text(field.high)}"
        return f"nobody's answer can be in {answers}: {field.name!r} is from {own}"
    return QuotaGroup(block, field.name, name, most, low=low, high=high)


def covers(field: FormField, groups: Sequence[QuotaGroup]) -> bool:
    """Tell whether every answer to a field is in some group of it; of whole numbers each, of others the
    ends of the range and no gap."""
    if field.type == "choice":
        return set(field.options) <= {option for group in groups for option in group.options}
    reached = field.low
    step = 1.0 if field.whole else 0.0
    for group in sorted(groups, key=lambda group: group.low):
        if group.low > reached:
            return False
        reached = max(reached, group.high + step)
    return reached >= field.high + step if step else reached >= field.high
