"""Whether what a study stored of its simulated people is what they answered, column by column.

Expected rows are made from the plan and from what was answered, without the site; stored rows are those of an
export. Identifiers and times of arrival are the site's own: of these it is asked that they are there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import Row
from almond.design.trials.columns import Column, TableSchema
from almond.evidence.rehearsed.people import RehearsedVisit
from almond.evidence.tables import in_range
from almond.exchange.schema import PARTICIPANTS, table_columns, table_schemas
from almond.shapes import is_digest, shown

OWN_COLUMNS = frozenset({"response_id", "trial_id", "received_at", "marks", "gap_ms", "late"})
"""Columns that only the site knows: they have to be there, and in their range."""
SAME = 1e-9
"""Relative: so far two numbers may differ by being written and read."""


@dataclass(frozen=True)
class Expected:
    """One simulated participant, by the name that the site gave: their list, and what they answered.

    :param typed: through the pages, where the time of an answer is the browser's own.
    :param watched: by one browser all the way, so that none of its events were lost.
    """

    name: str
    assigned: int
    visit: RehearsedVisit
    typed: bool = False
    watched: bool = True


@dataclass
class ColumnCheck:
    """One column of a block: how many cells were looked at, how many differ, and the first that does."""

    column: str
    cells: int = 0
    differ: int = 0
    example: str = ""

    def look(self, where: str, problem: str) -> None:
        """Count a cell; ``problem`` is empty where it is as expected."""
        self.cells += 1
        if problem:
            self.differ += 1
            self.example = self.example or f"{where}: {problem}"

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "cells": self.cells,
            "differ": self.differ,
            "example": self.example,
        }


@dataclass
class BlockCheck:
    """One block, or the table of participants: rows that were expected and stored, and its columns."""

    block: str
    kind: str
    expected: int = 0
    stored: int = 0
    columns: dict[str, ColumnCheck] = field(default_factory=dict)

    def of(self, column: str) -> ColumnCheck:
        return self.columns.setdefault(column, ColumnCheck(column))

    @property
    def differ(self) -> int:
        return sum(check.differ for check in self.columns.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "block": self.block,
            "kind": self.kind,
            "expected": self.expected,
            "stored": self.stored,
            "differ": self.differ,
            "columns": [check.to_json() for check in self.columns.values()],
        }


def compare_rows(
    plan: StudyPlan, people: Sequence[Expected], stored: Mapping[str, Sequence[Row]]
) -> list[BlockCheck]:
    """Compare the stored rows of simulated people with what they answered.

    :param people: those to look at; rows of anybody else are left alone.
    :param stored: the tables of an export by name, ``events`` among them.
    :returns: the participants first, then every block of the plan in its order.
    """
    names = {person.name for person in people}
    own = {name: [row for row in rows if row["participant_id"] in names] for name, rows in stored.items()}
    checks = [compare_participants(plan, people, own.get("participants", []))]
    schemas = table_schemas(plan.kinds)
    for block in plan.blocks:
        table = schemas[TRIAL_KINDS.load(block.kind).table.name]
        rows = [row for row in own.get(table.name, []) if row["block"] == block.name]
        check = BlockCheck(block.name, block.kind)
        compare_block(plan, check, table, people, rows)
        check_order(check, rows)
        check_frames(check, plan, people, own.get("events", []))
        checks.append(check)
    return checks


def compare_participants(plan: StudyPlan, people: Sequence[Expected], rows: Sequence[Row]) -> BlockCheck:
    """Compare the rows of participants: their list, and how many trials they were to answer and did."""
    check = BlockCheck("participants", "", expected=len(people), stored=len(rows))
    stored = {row["participant_id"]: row for row in rows}
    for person in people:
        row = stored.get(person.name)
        check.of("rows").look(person.name, "" if row else "is missing")
        if row is None:
            continue
        wanted = {
            "kind": "robot",
            "list": person.assigned,
            "status": _status(person.visit),
            "trials_planned": person.visit.planned,
            "trials_done": len(person.visit.responses),
        }
        if "trials_skipped" in row:
            ended = person.visit.ended_by or ""
            wanted |= {"trials_skipped": person.visit.skipped, "ended_by": ended}
        for name, value in wanted.items():
            check.of(name).look(person.name, difference(value, row.get(name)))
        for column in PARTICIPANTS.columns:
            if column.type == "time" and person.visit.finishes:
                check.of(column.name).look(person.name, outside(column, row.get(column.name)))
    return check


def _status(visit: RehearsedVisit) -> str:
    if visit.left:
        return "active"
    return "finished" if visit.ended_by is None else "screened_out"


def compare_block(
    plan: StudyPlan, check: BlockCheck, table: TableSchema, people: Sequence[Expected], rows: Sequence[Row]
) -> None:
    """Compare the rows of one block, cell by cell."""
    key = [name for name in ("participant_id", "trial_index", *table.unique) if name != "response_id"]
    key = list(dict.fromkeys(key))
    typed = {person.name: person.typed for person in people}
    stored: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        stored[tuple(row.get(name) for name in key)].append(row)
    columns = {column.name: column for column in table_columns(table, rows[0] if rows else ())}
    check.stored = len(rows)
    for expected in expected_rows(plan, check, people):
        check.expected += 1
        place = tuple(expected.get(name) for name in key)
        same = stored.pop(place, [])
        where = f"{place[0]}, trial {place[1]}"
        problem = "" if len(same) == 1 else "is missing" if not same else f"is there {len(same)} times"
        check.of("rows").look(where, problem)
        for row in same[:1]:
            compare_cells(check, columns, (expected, row), where, typed=typed[str(place[0])])
    for place, more in stored.items():
        for _ in more:
            check.of("rows").look(f"{place[0]}, trial {place[1]}", "was never answered, but is stored")


def expected_rows(plan: StudyPlan, check: BlockCheck, people: Iterable[Expected]) -> Iterator[Row]:
    """Yield the rows that the answers of people to a block's trials make."""
    kind = TRIAL_KINDS.load(check.kind)
    for person in people:
        for response in person.visit.responses:
            if response.trial.block == check.block:
                yield from kind.rows(plan, response)


def compare_cells(
    check: BlockCheck, columns: Mapping[str, Column], rows: tuple[Row, Row], where: str, *, typed: bool
) -> None:
    """Compare the cells of an expected row and a stored one; both have the columns of one table."""
    expected, row = rows
    for name, column in columns.items():
        problem = outside(column, row.get(name))
        if name == "rt_ms" and typed:
            problem = problem or ("" if row[name] > 0 else "is 0: no time was measured")
        elif name not in OWN_COLUMNS and name in expected:
            problem = difference(expected[name], row.get(name)) or problem
        check.of(name).look(where, problem)


def difference(expected: object, stored: object) -> str:
    """Say how a stored cell differs from the one expected; empty where it does not."""
    if isinstance(expected, int | float) and isinstance(stored, int | float):
        same = math.isclose(expected, stored, rel_tol=SAME, abs_tol=SAME)
    else:
        same = expected == stored
    return "" if same else f"expected {shown(expected)}, stored {shown(stored)}"


def outside(column: Column, value: Any) -> str:
    """Say why a cell is none that its column may hold; empty where it is one."""
    if value is None or value == "":
        return "is empty" if column.needed else ""
    if column.type in ("integer", "number", "flag") and not isinstance(value, int | float):
        return f"is {shown(value)}, not a number"
    if column.type == "digest" and not is_digest(value):
        return f"is {shown(value)}, not a SHA-256 digest"
    if column.range and not in_range(column.range, as_text(value)):
        return f"is {shown(value)}, not {column.range}"
    return ""


def as_text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def check_order(check: BlockCheck, rows: Sequence[Row]) -> None:
    """Look whether the answers of each participant to a block were stored in the order of its trials."""
    trials: dict[str, dict[int, datetime]] = defaultdict(dict)
    for row in rows:
        if row["received_at"]:
            trials[row["participant_id"]][row["trial_index"]] = moment(row["received_at"])
    for name, moments in trials.items():
        ordered = [moments[place] for place in sorted(moments)]
        late = sum(later < earlier for earlier, later in pairwise(ordered))
        problem = f"{late} answers were stored before an earlier one" if late else ""
        check.of("order of trials").look(name, problem)


def moment(value: Any) -> datetime:
    """Return a time of arrival, which tables on their way hold as a time and files as text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def check_frames(
    check: BlockCheck, plan: StudyPlan, people: Sequence[Expected], events: Sequence[Row]
) -> None:
    """Look whether the browser told the course in time of every trial that was answered in it."""
    told = {(row["participant_id"], row["trial_index"]) for row in events if row["kind"] == "frames"}
    for person in people:
        for response in person.visit.responses if person.typed and person.watched else ():
            trial = response.trial
            if trial.block == check.block:
                problem = "" if (person.name, trial.index) in told else "has no event of frames"
                check.of("course in time").look(f"{person.name}, trial {trial.index}", problem)


def findings_of(checks: Sequence[BlockCheck]) -> list[str]:
    """Say in sentences what differs; nothing where all rows are as planned."""
    return [
        f"{_where(check)}, {column.column}: {column.differ} of {column.cells} differ ({column.example})"
        for check in checks
        for column in check.columns.values()
        if column.differ
    ]


def _where(check: BlockCheck) -> str:
    return f"block “{check.block}”" if check.kind else "participants"
