"""A power analysis in plain words. Everything here reads its JSON values, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.design.level import level_problem
from almond.report.wording import percent

Data = Mapping[str, Any]


def power_sentences(data: Data) -> list[str]:
    """Answer for each primary test of the planned design; then name those that do not hold their level."""
    tests = data["design"]["primary"]
    answers = [_answer(data, test, named=len(tests) > 1) for test in tests]
    idle = [idle_text(row) for row in data["design"].get("idle_rules", ())]
    idle += [idle_block_text(row) for row in data["design"].get("idle_blocks", ())]
    return [*answers, *idle, *(text for row in data["level"] if (text := level_problem(row)))]


def idle_text(row: Data) -> str:
    """Say that a rule of the plan left nobody out by something, because no simulated study has it."""
    return f"Not simulated: {row['lacks']}, by which nobody was left out here. {row['rule']}"


def idle_block_text(row: Data) -> str:
    """Say that no answers of a block were drawn, so that no test counted any."""
    return f"Not simulated: block “{row['block']}” ({row['kind']}), whose answers are not counted here."


def effect_text(effect: float) -> str:
    """Write ``.35 SD``, ``1.2 SD``."""
    return f"{effect:g} SD".replace("0.", ".", 1) if 0 < effect < 1 else f"{effect:g} SD"


def rate_text(row: Data) -> str:
    """Write ``84 % [78, 89]``."""
    return f"{percent(row['rate'])} [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"


def planned_rows(data: Data, test: str) -> list[Data]:
    """List the rows of a test in the planned design, that without an effect first."""
    return [row for row in data["rows"] if row["planned"] and row["test"] == test]


def _answer(data: Data, test: str, *, named: bool) -> str:
    null, *effects = planned_rows(data, test)
    first, *more = effects
    design = f"{null['people']} participants and {null['themes']} themes"
    start = f"{test.capitalize()}: with {design}" if named else f"With {design}"
    found = f"an effect of {effect_text(first['effect'])} is found in {rate_text(first)} of studies"
    further = "".join(f", one of {effect_text(row['effect'])} in {rate_text(row)}" for row in more)
    return f"{start}, {found}{further}; without effect {rate_text(null)} reject.{_not_run(effects)}"


def _not_run(rows: Sequence[Data]) -> str:
    most = max(row["not_run"] for row in rows)
    return f" The test could not run in {most} of {rows[0]['studies']} studies." if most else ""
