"""What differs between two plans is said, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from almond.analysis.registration.plan_changes import PlanChange, plan_changes, text_of
from almond.design.plan import StudyPlan
from tests.almond.design_plans import full_plan

Edit = Callable[[dict[str, Any]], None]


def edited(edit: Edit) -> list[PlanChange]:
    before = full_plan()
    values = copy.deepcopy(before.to_json())
    edit(values)
    return plan_changes(before, StudyPlan.from_json(values))


def set_in(path: str, value: Any) -> Edit:
    def edit(plan: dict[str, Any]) -> None:
        *parts, last = path.split(".")
        place: Any = plan
        for part in parts:
            place = place[int(part)] if part.isdigit() else place[part]
        place[int(last) if last.isdigit() else last] = value

    return edit


def test_a_plan_does_not_differ_from_itself() -> None:
    assert plan_changes(full_plan(), full_plan()) == []


def test_single_values_and_members_are_named_with_what_they_were() -> None:
    plan = full_plan()
    block, construct = plan.blocks[0], plan.constructs[0]
    assert edited(set_in("participants", plan.participants + 20)) == [
        PlanChange("participants", str(plan.participants), str(plan.participants + 20))
    ]
    assert edited(set_in("constructs.0.high", "very much")) == [
        PlanChange(f"construct “{construct.name}”, high", construct.high, "very much")
    ]
    assert edited(set_in("blocks.0.trials", block.trials - 1)) == [
        PlanChange(f"block “{block.name}”, trials", str(block.trials), str(block.trials - 1))
    ]
    assert edited(set_in("analysis.alpha", 0.01)) == [PlanChange("error level", "0.05", "0.01")]


def test_rules_that_come_and_go_and_blocks_in_another_order() -> None:
    rule = {"kind": "speed", "fastest_ms": 300.0, "most_share": 0.25, "longest_minutes": None}
    (came,) = edited(set_in("analysis.exclusions", [rule]))
    assert came == PlanChange("exclusion rule “speed”", "", "fastest_ms 300, most_share 0.25")
    names = [block.name for block in full_plan().blocks]
    assert len(names) > 1
    (moved,) = edited(lambda plan: plan["blocks"].reverse())
    assert moved == PlanChange("order of the blocks", ", ".join(names), ", ".join(reversed(names)))


def test_images_are_counted() -> None:
    def exchange(plan: dict[str, Any]) -> None:
        plan["stimuli"][0]["sha256"] = "f" * 64

    count = len(full_plan().stimuli)
    assert edited(exchange) == [PlanChange("images", str(count), f"{count}: 1 changed")]


def test_every_single_value_of_a_plan_that_changes_is_found() -> None:
    """Whatever makes another digest makes a line."""
    plan = full_plan()
    for path, value in (("title", "Another"), ("seed", plan.seed + 1), ("language", "de")):
        (change,) = edited(set_in(path, value))
        assert change.after == str(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (0.05, "0.05"),
        (("a", "b"), "a, b"),
        ({"until": "number", "x": None}, "until number"),
    ],
)
def test_values_are_written_for_people(value: object, text: str) -> None:
    assert text_of(value) == text
