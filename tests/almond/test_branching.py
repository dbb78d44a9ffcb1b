"""Branching and checks: which trials nobody is asked any more, and what the panels' rule says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almond.design.assignment import make_lists
from almond.design.exclusions.base import BlindTables, CannotApply
from almond.design.exclusions.failed_checks import FailedChecks
from almond.design.flow.branching import Standing, branches, deciding_blocks, standing_of, waits
from almond.design.flow.verdict import failures_needed, planned_minutes, verdict_of
from almond.design.plan import StudyPlan
from almond.errors import InputError
from tests.almond.design_plans import natural_plan

FORM = {
    "kind": "form",
    "name": "people",
    "trials": 1,
    "fields": "eyes: choice well, badly\nage: number 18-99",
}
UNDERSTOOD = {
    "kind": "comprehension_check",
    "name": "understood",
    "trials": 3,
    "attempts": 3,
    "questions": "What? | *this | that",
    "reread": "Again.",
}
ATTENTIVE = {
    "kind": "attention_check",
    "name": "attentive",
    "trials": 1,
    "question": "Please choose “Agree”.",
    "correct": "Agree",
}
REST = {"kind": "break", "name": "rest", "trials": 1}
BLOCKS = [FORM, UNDERSTOOD, ATTENTIVE, REST]
"""Trials 0, 1 to 3, 4, 5; the ratings of the plan follow."""


def plan_of(*blocks: Mapping[str, Any], **changes: Mapping[str, Any]) -> StudyPlan:
    values = natural_plan(trials=2).to_json()
    before = [{**block, **changes.get(str(block["name"]), {})} for block in blocks or BLOCKS]
    own = [{**block, **changes.get(block["name"], {})} for block in values["blocks"]]
    return StudyPlan.from_json({**values, "blocks": [*before, *own]})


def standing(plan: StudyPlan, answers: Mapping[int, Mapping[str, Any]]) -> Standing:
    return standing_of(plan, make_lists(plan, 1)[0], answers)


RIGHT, WRONG = {"1": "this"}, {"1": "that"}
WELL, BADLY = {"eyes": "well", "age": 20}, {"eyes": "badly", "age": 20}


def test_attempts_end_with_the_first_that_is_right() -> None:
    plan = plan_of()
    assert branches(plan)
    assert list(waits(plan)) == ["", "each", "", "", ""]
    assert standing(plan, {}) == Standing()
    assert standing(plan, {0: WELL, 1: WRONG}).skipped == frozenset()
    assert standing(plan, {0: WELL, 1: RIGHT}).skipped == {2, 3}
    assert standing(plan, {0: WELL, 1: WRONG, 2: RIGHT}).skipped == {3}
    assert standing(plan, {0: WELL, 1: WRONG, 2: WRONG, 3: WRONG}) == Standing()


def test_a_block_is_skipped_where_its_condition_does_not_hold() -> None:
    plan = plan_of(rest={"only_if": "people.eyes = badly"})
    assert list(waits(plan)) == ["", "each", "", "before", ""]
    # As long as nobody knows, it is asked.
    assert standing(plan, {}).skipped == frozenset()
    assert standing(plan, {0: WELL}).skipped == {5}
    assert standing(plan, {0: BADLY}).skipped == frozenset()
    # What was answered all the same is not skipped.
    assert standing(plan, {0: WELL, 5: {}}).skipped == frozenset()
    other = plan_of(rest={"only_if": "people.eyes != badly"})
    assert standing(other, {0: BADLY}).skipped == {5}


def test_a_visit_ends_behind_the_block_that_says_so() -> None:
    plan = plan_of(understood={"end_if": "understood.passed = no"})
    assert list(waits(plan)) == ["", "each", "before", "", ""]
    assert standing(plan, {0: WELL, 1: WRONG, 2: WRONG}).ended_by is None
    failed = standing(plan, {0: WELL, 1: WRONG, 2: WRONG, 3: WRONG})
    assert failed == Standing(frozenset({4, 5, 6, 7}), "understood")
    assert standing(plan, {0: WELL, 1: WRONG, 2: RIGHT}) == Standing(frozenset({3}))
    # The block itself is asked to its end, also where the condition is about an earlier one.
    later = plan_of(attentive={"end_if": "people.eyes = badly"})
    assert standing(later, {0: BADLY, 1: RIGHT}).ended_by is None
    assert standing(later, {0: BADLY, 1: RIGHT, 4: {"answer": "Agree"}}).ended_by == "attentive"


def test_of_a_skipped_block_no_condition_holds() -> None:
    changes = {"only_if": "people.eyes = badly", "end_if": "attentive.passed != yes"}
    plan = plan_of(attentive=changes, rest={"only_if": "attentive.passed = no"})
    assert standing(plan, {0: WELL, 1: RIGHT}) == Standing(frozenset({2, 3, 4, 5}))
    assert standing(plan, {0: BADLY, 1: RIGHT, 4: {"answer": "Neither"}}).ended_by == "attentive"


def test_only_deciding_answers_need_to_be_read() -> None:
    plan = plan_of(rest={"only_if": "people.eyes = badly"})
    assert deciding_blocks(plan) == {"people", "understood"}
    assert not branches(plan_of(FORM, REST))


@pytest.mark.parametrize(
    ("block", "line", "said"),
    [
        ("rest", "people.eyes badly", "not a line such as"),
        ("rest", "nobody.eyes = badly", r"asks about block 'nobody', which does not come before it"),
        ("people", "attentive.passed = yes", r"blocks\[0\].only_if: asks about block 'attentive'"),
        ("rest", "people.age = 20", r"asks about 'age' of block 'people'; it has eyes"),
        ("rest", "people.eyes = blue", r"'blue' is no answer to 'eyes' of block 'people': well, badly"),
        ("ratings", "rest.passed = yes", r"asks about 'passed' of block 'rest'; nothing of it can decide"),
    ],
)
def test_a_condition_on_nothing_is_no_plan(block: str, line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan_of(**{block: {"only_if": line}})


def test_a_plan_without_conditions_has_the_digest_that_it_had() -> None:
    written = plan_of().to_json()
    assert all("only_if" not in block and "end_if" not in block for block in written["blocks"])
    told = plan_of(rest={"only_if": "people.eyes != badly"})
    assert StudyPlan.from_bytes(told.to_bytes()) == told


ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        0: st.sampled_from([WELL, BADLY]),
        1: st.sampled_from([RIGHT, WRONG]),
        2: st.sampled_from([RIGHT, WRONG]),
        3: st.sampled_from([RIGHT, WRONG]),
        4: st.sampled_from([{"answer": "Agree"}, {"answer": "Neither"}]),
        5: st.just({}),
        6: st.just({"threat": 1.0}),
        7: st.just({"threat": 1.0}),
    },
)
CONDITIONS = st.sampled_from(
    [None, *(f"people.eyes {sign} {value}" for sign in ("=", "!=") for value in ("well", "badly"))]
)


@settings(max_examples=60, deadline=None)
@given(answers=ANSWERS, only=CONDITIONS, end=CONDITIONS)
def test_what_is_skipped_stays_skipped_and_is_never_answered(
    answers: dict[int, dict[str, Any]], only: str | None, end: str | None
) -> None:
    plan = plan_of(rest={"only_if": only}, attentive={"end_if": end})
    trials = make_lists(plan, 1)[0]
    before = standing_of(plan, trials, answers)
    assert not before.skipped & answers.keys()
    # Going on as the site asks keeps every decision, and comes to an end.
    for _ in range(len(trials) + 1):
        left = [t.index for t in trials if t.index not in answers and t.index not in before.skipped]
        if not left:
            break
        fill: dict[int, dict[str, Any]] = {0: WELL, 4: {"answer": "Agree"}, 5: {}, 6: {}, 7: {}}
        answers = {**answers, left[0]: fill.get(left[0], RIGHT)}
        after = standing_of(plan, trials, answers)
        assert before.skipped <= after.skipped
        assert before.ended_by in (None, after.ended_by)
        before = after
    assert {t.index for t in trials} == answers.keys() | before.skipped


# -- the panels' rule


def test_the_panels_ask_for_two_failures_from_five_minutes_on() -> None:
    assert [failures_needed(minutes) for minutes in (1.0, 4.99, 5.0, 30.0)] == [1, 1, 2, 2]


def checked(*passed: bool, minutes: float, understood: Mapping[int, Any] | None = None) -> Any:
    blocks = [{**ATTENTIVE, "name": f"check-{number}"} for number in range(len(passed))]
    plan = plan_of(*blocks, UNDERSTOOD)
    answers: dict[str, list[Any]] = {
        f"check-{number}": [{"answer": "Agree" if right else "Neither"}]
        for number, right in enumerate(passed)
    }
    answers["understood"] = [(understood or {}).get(place) for place in range(3)]
    return verdict_of(plan, answers, minutes)


@pytest.mark.parametrize(
    ("passed", "minutes", "inattentive"),
    [
        ((True, True), 3.0, False),
        ((True, False), 3.0, True),
        ((True, False), 5.0, False),
        ((False, False), 5.0, True),
        ((False,), 12.0, False),
    ],
)
def test_a_verdict_follows_from_failures_and_length(
    passed: tuple[bool, ...], minutes: float, inattentive: bool
) -> None:
    verdict = checked(*passed, minutes=minutes)
    assert verdict.inattentive is inattentive
    assert verdict.passed is not inattentive
    failed = sum(not one for one in passed)
    said = f"Failed {failed} of {len(passed)} attention check" if failed else "Passed 2 attention checks."
    assert said in verdict.words()
    assert ("may be rejected" in verdict.words()) is inattentive


def test_whoever_does_not_understand_is_asked_to_return_and_not_rejected() -> None:
    failed = checked(True, minutes=9.0, understood={0: WRONG, 1: WRONG, 2: WRONG})
    assert (failed.passed, failed.inattentive, failed.failed_comprehension) == (False, False, ("understood",))
    assert "ask them to return" in failed.words()
    assert checked(True, minutes=9.0, understood={0: WRONG, 1: RIGHT}).passed
    open_check = checked(minutes=9.0, understood={0: WRONG})
    assert (open_check.passed, open_check.words()) == (True, "No check was answered yet.")


def test_minutes_count_every_block() -> None:
    with_rest = plan_of(FORM, {**REST, "least_seconds": 120})
    assert planned_minutes(with_rest) - planned_minutes(plan_of(FORM)) == pytest.approx(2.0)


# -- the exclusion rule


def rows(person: str, block: str, *passed: int) -> list[dict[str, Any]]:
    return [
        {"participant_id": person, "trial_index": place, "block": block, "passed": one}
        for place, one in enumerate(passed)
    ]


def test_the_exclusion_rule_reads_the_checks_of_the_study(tmp_path: Path) -> None:
    checks = pd.DataFrame(
        list(
            itertools.chain(
                rows("A", "check-1", 0),
                rows("A", "check-2", 0),
                rows("B", "check-1", 0),
                rows("B", "understood", 0, 1),
                rows("C", "understood", 0, 0),
            )
        )
    )
    people = pd.DataFrame({"participant_id": ["A", "B", "C", "D"]})
    tables = BlindTables(people, pd.DataFrame(), pd.DataFrame(), None, checks)
    judged = FailedChecks(mark="failed_check", most=1).judge(tables)
    assert judged.caught == {"A": "2 failed checks"}
    assert judged.unjudged == ("D",)
    assert set(FailedChecks(mark="failed_check", most=0).judge(tables).caught) == {"A", "B", "C"}
    tables_without = BlindTables(people, pd.DataFrame(), pd.DataFrame(), None)
    with pytest.raises(CannotApply):
        FailedChecks(mark="failed_check", most=1).judge(tables_without)


def test_the_rule_about_checks_needs_a_check_in_the_plan() -> None:
    rule = {"kind": "failed_checks", "mark": "failed_check", "most": 1}
    plan = plan_of()
    analysis = {**plan.to_json()["analysis"], "exclusions": [rule]}
    assert StudyPlan.from_json({**plan.to_json(), "analysis": analysis}).analysis.exclusions
    bare = plan_of(REST).to_json()
    with pytest.raises(InputError, match=r"exclusions\[0\].mark: is failed_check, but no block is an att"):
        StudyPlan.from_json({**bare, "analysis": analysis})
