"""Rehearsals: what simulated people of a declared psychology answer, and whether exactly that was stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.errors import InputError
from almond.evidence.rehearsed.comparing import (
    BlockCheck,
    Expected,
    compare_rows,
    findings_of,
)
from almond.evidence.rehearsed.people import WHEN, RehearsedPeople, image_facts
from almond.world.psychology import Psychology
from tests.almond.design_plans import full_plan

Tables = dict[str, list[dict[str, Any]]]
PLAN = full_plan(4, 2)
CONSTRUCT = PLAN.constructs[0].name


def renamed(plan: StudyPlan, old: str, new: str) -> StudyPlan:
    """A plan in which a construct has a name of the lab's own."""

    def exchanged(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: exchanged(member) for name, member in value.items()}
        if isinstance(value, list):
            return [exchanged(member) for member in value]
        return new if value == old else value

    return StudyPlan.from_json(exchanged(plan.to_json()))


def rehearsed(plan: StudyPlan = PLAN, **declared: Any) -> RehearsedPeople:
    return RehearsedPeople(plan, 3, Psychology(**declared), seed=7, attentive=1)


def stored(people: RehearsedPeople, count: int = 4) -> tuple[list[Expected], Tables]:
    """What a site without a fault stores of some people, the first of whom was sent through the pages."""
    expected = [
        Expected(f"sim-{number}", number % 3, people.visit(number, number % 3, f"sim-{number}"), number == 0)
        for number in range(count)
    ]
    tables: Tables = {"participants": [], "events": [], "ratings": [], "choices": []}
    for person in expected:
        tables["participants"].append(participant(person))
        for response in person.visit.responses:
            kind, index = TRIAL_KINDS.load(response.trial.kind), response.trial.index
            own = {"late": 0, "marks": "", "gap_ms": 12.0, "received_at": WHEN + timedelta(seconds=index)}
            rows = kind.rows(people.plan, replace(response, shared={**response.shared, **own}))
            tables[kind.table.name] += rows
            if person.typed:
                name = person.name
                tables["events"].append({"participant_id": name, "trial_index": index, "kind": "frames"})
    return expected, tables


def participant(person: Expected) -> dict[str, Any]:
    return {
        "participant_id": person.name,
        "kind": "robot",
        "list": person.assigned,
        "status": "active" if person.visit.left else "finished",
        "started_at": WHEN.isoformat(),
        "finished_at": "" if person.visit.left else WHEN.isoformat(),
        "trials_planned": person.visit.planned,
        "trials_done": len(person.visit.responses),
    }


def checked(change: Callable[[Tables], None]) -> list[str]:
    expected, tables = stored(rehearsed())
    change(tables)
    return findings_of(compare_rows(PLAN, expected, tables))


def test_rows_as_planned_have_no_findings_and_every_column_was_looked_at() -> None:
    expected, tables = stored(rehearsed())
    checks = compare_rows(PLAN, expected, tables)
    assert findings_of(checks) == []
    assert [check.block for check in checks] == ["participants", *(block.name for block in PLAN.blocks)]
    for check in checks:
        assert check.expected == check.stored > 0
    (ratings,) = (check for check in checks if check.kind == "rating")
    assert {*tables["ratings"][0]} <= {*ratings.columns}
    assert all(column.cells > 0 for column in ratings.columns.values())
    assert ratings.to_json()["differ"] == 0


def test_a_missing_row_is_named() -> None:
    def drop(tables: Tables) -> None:
        row = tables["ratings"].pop(3)
        drop.where = f"{row['participant_id']}, trial {row['trial_index']}"  # type: ignore[attr-defined]

    (said,) = checked(drop)
    assert f"rows: 1 of {expected_rows('ratings')} differ ({drop.where}: is missing)" in said  # type: ignore[attr-defined]


def expected_rows(table: str) -> int:
    return len(stored(rehearsed())[1][table])


def test_a_row_too_many_is_named() -> None:
    (said,) = checked(lambda tables: tables["choices"].append(dict(tables["choices"][0])))
    assert "is there 2 times" in said
    later = WHEN + timedelta(days=1)
    other = {"participant_id": "sim-0", "trial_index": 999, "received_at": later}
    (said,) = checked(lambda tables: tables["choices"].append({**tables["choices"][0], **other}))
    assert "sim-0, trial 999: was never answered, but is stored" in said


@pytest.mark.parametrize(
    ("table", "column", "value", "said"),
    [
        ("ratings", "value", 123.0, "stored 123.0"),
        ("ratings", "stimulus_id", "another", "stored 'another'"),
        ("ratings", "image_sha256", "0" * 64, f"stored '{'0' * 56}"),
        ("ratings", "rt_ms", -1.0, "is -1.0, not 0 or more"),
        ("ratings", "rt_ms", 0.0, "is 0: no time was measured"),
        ("ratings", "received_at", "", "is empty"),
        ("ratings", "late", 2, "is 2, not 0 or 1"),
        ("choices", "chosen", "middle", "stored 'middle'"),
        ("choices", "left_stimulus", "another", "stored 'another'"),
        ("choices", "high_side", "up", "stored 'up'"),
        ("participants", "trials_done", 1, "stored 1"),
        ("participants", "list", 2, "expected 0, stored 2"),
        ("participants", "status", "active", "expected 'finished', stored 'active'"),
    ],
)
def test_a_cell_that_differs_is_named_with_its_column(table: str, column: str, value: Any, said: str) -> None:
    def change(tables: Tables) -> None:
        tables[table][0][column] = value

    findings = checked(change)
    assert any(f"{column}: 1 of" in finding and said in finding for finding in findings), findings


def test_answers_out_of_order_and_trials_without_a_course_in_time_are_named() -> None:
    def late(tables: Tables) -> None:
        for row in tables["choices"][:1]:
            row["received_at"] = WHEN + timedelta(days=1)

    (said,) = checked(late)
    assert "order of trials" in said
    (said,) = checked(lambda tables: tables["events"].pop(0))
    assert "course in time" in said
    assert "has no event of frames" in said


def test_rows_of_others_are_left_alone() -> None:
    expected, tables = stored(rehearsed())
    assert findings_of(compare_rows(PLAN, expected[:2], tables)) == []


def rated_apart(people: RehearsedPeople, construct: str, participants: int = 30) -> float:
    """How far above images guided down those guided up are rated on a construct, in points."""
    values: dict[int, list[float]] = {1: [], -1: []}
    for number in range(participants):
        for response in people.visit(number, number % 3).responses:
            if construct in response.values:
                stimulus = people.plan.stimulus_by_id[str(response.trial.stimulus)]
                values[stimulus.direction].append(response.values[construct])
    return float(np.mean(values[1]) - np.mean(values[-1]))


@pytest.mark.parametrize("name", ["awe", "Wie bedrohlich?", "x"])
def test_an_effect_is_that_of_a_construct_of_any_name(name: str) -> None:
    plan = renamed(PLAN, CONSTRUCT, name)
    strong = rated_apart(rehearsed(plan, effects={name: 2.0}, noise=8.0), name)
    none = rated_apart(rehearsed(plan, effects={}, noise=8.0), name)
    null = rated_apart(rehearsed(plan, effects={name: 2.0}, noise=8.0, null=True), name)
    assert strong - none > 10
    assert null == none
    assert rated_apart(rehearsed(plan, effects={name: -2.0}, noise=8.0), name) < none - 10


def test_choices_follow_the_effect() -> None:
    def aligned(people: RehearsedPeople) -> float:
        rows = [
            row
            for number in range(30)
            for response in people.visit(number, number % 3).responses
            if response.trial.kind == "choice"
            for row in TRIAL_KINDS.load("choice").rows(PLAN, response)
        ]
        return float(np.mean([row["aligned"] for row in rows]))

    names = [construct.name for construct in PLAN.constructs]
    assert aligned(rehearsed(effects=dict.fromkeys(names, 2.0))) > 0.85
    assert aligned(rehearsed(effects=dict.fromkeys(names, 2.0), careless=1.0)) < 0.65


def test_photographs_follow_what_was_measured_of_them() -> None:
    values = PLAN.to_json()
    plain = {"target": None, "direction": 0, "strength": 0.0}
    rating = next(block for block in values["blocks"] if block["kind"] == "rating")
    analysis = {**values["analysis"], "primary": []}
    stimuli = [{**row, **plain} for row in values["stimuli"]]
    plan = StudyPlan.from_json(
        {**values, "pairs": [], "blocks": [rating], "stimuli": stimuli, "analysis": analysis}
    )
    measured = {row.id: {"score_LB": float(place)} for place, row in enumerate(plan.stimuli)}
    facts = image_facts(plan, measured)
    standing = [facts[row.id].own[0] * facts[row.id].dose for row in plan.stimuli]
    assert np.mean(standing) == pytest.approx(0.0)
    assert np.std(standing) == pytest.approx(1.0)
    assert standing == sorted(standing)
    assert {row.own[0] for row in image_facts(plan, {}).values()} == {1.0}
    assert {row.dose for row in image_facts(plan, {}).values()} == {0.0}


def test_an_effect_of_something_that_is_not_asked_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"effects\.joy: is no construct of the study"):
        rehearsed(effects={"joy": 1.0})


def test_careless_people_and_drop_outs_have_their_shares_and_the_first_have_neither() -> None:
    people = rehearsed(careless=1.0, drop_out=0.9)
    visits = [people.visit(number, 0) for number in range(60)]
    assert visits[0].finishes
    left = sum(visit.left for visit in visits[1:])
    assert 45 <= left <= 59
    assert all(visit.finishes for visit in (rehearsed(drop_out=0.0).visit(n, 0) for n in range(5)))
    assert people.visit(3, 1) == people.visit(3, 1)


def test_a_block_without_people_has_nothing_to_differ() -> None:
    checks = compare_rows(PLAN, [], {})
    assert [check.differ for check in checks] == [0, 0, 0][: len(checks)]
    assert isinstance(checks[0], BlockCheck)
