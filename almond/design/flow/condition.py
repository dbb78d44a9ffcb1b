"""A condition on an earlier answer, by which a block is skipped or a visit ends.

It is written as a line, ``BLOCK.FIELD = VALUE`` or ``BLOCK.FIELD != VALUE``, and holds of an answer that was
given: of a block that was skipped, neither ``=`` nor ``!=`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from almond.design.trials import TRIAL_KINDS
from almond.shapes import Flag, Shape, Text, shown

if TYPE_CHECKING:  # blocks have conditions
    from almond.design.parts import PlannedBlock

LINE = re.compile(r"\s*([\w-]+)\.([\w-]+)\s*(=|!=)\s*(\S.*?)\s*")
EXPECTED = "a line such as “people.gender = woman” or “check.passed != yes”"


class AnswerCondition(Shape):
    """That the answer to ``field`` of ``block`` is ``value``; with ``differs``, that it is another one."""

    block: Text
    field: Text
    value: Text
    differs: Flag = False

    def holds(self, outcome: Mapping[str, str]) -> bool:
        """Tell whether it holds of what a block came to, field -> value; of no answer it does not."""
        answer = outcome.get(self.field)
        return answer is not None and (answer == self.value) != self.differs

    def words(self) -> str:
        """Say it as a part of a sentence."""
        return f"{self.field} of “{self.block}” is {'not ' if self.differs else ''}“{self.value}”"


def condition_of_line(value: Any) -> Any:
    """Take a line apart; anything else is left as it is.

    :raises ValueError: a line of another form.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    match = LINE.fullmatch(value)
    if match is None:
        raise ValueError(f"is {shown(value)}, not {EXPECTED}")
    block, name, sign, answer = match.groups()
    return {"block": block, "field": name, "value": answer, "differs": sign == "!="}


OptionalCondition = Annotated[AnswerCondition | None, BeforeValidator(condition_of_line)]
"""A condition, as a shape or as its line; None or an empty line for none."""


class BranchingBlock(Shape):
    """What all blocks have of branching: a block is skipped where ``only_if`` does not hold, and the visit
    ends behind it where ``end_if`` does."""

    only_if: OptionalCondition = None
    end_if: OptionalCondition = None


def branching_problems(blocks: Mapping[int, PlannedBlock]) -> Iterator[tuple[str, str]]:
    """Yield (path, problem) for conditions on blocks that do not come before, or on no answer of theirs."""
    before: dict[str, PlannedBlock] = {}
    for number, block in sorted(blocks.items()):
        if block.only_if is not None:
            for problem in condition_problems(block.only_if, before, "before it"):
                yield f"blocks[{number}].only_if", problem
        before[block.name] = block
        if block.end_if is not None:
            for problem in condition_problems(block.end_if, before, "up to it"):
                yield f"blocks[{number}].end_if", problem


def condition_problems(
    condition: AnswerCondition, before: Mapping[str, PlannedBlock], where: str
) -> Iterator[str]:
    block = before.get(condition.block)
    if block is None:
        yield f"asks about block {condition.block!r}, which does not come {where}"
        return
    fields = TRIAL_KINDS.load(block.kind).outcomes(block)
    if condition.field not in fields:
        known = f"it has {', '.join(fields)}" if fields else "nothing of it can decide"
        yield f"asks about {condition.field!r} of block {block.name!r}; {known}"
    elif condition.value not in fields[condition.field]:
        options = ", ".join(fields[condition.field])
        yield f"{condition.value!r} is no answer to {condition.field!r} of block {block.name!r}: {options}"
