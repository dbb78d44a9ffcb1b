"""Quotas by an answer: the lines in which they are written, and what speaks against them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almond.design.flow.branching import waits
from almond.design.flow.quotas import groups_answered, quota_groups, quota_warnings
from almond.design.plan import StudyPlan, plain
from almond.design.trials.base import block_of
from almond.design.trials.pages.form import FormBlock
from almond.design.trials.pages.form_fields import read_form_fields
from almond.design.trials.pages.quota_lines import covers, quota_problems, read_quota_groups
from almond.shapes import ShapeError
from tests.almond.design_plans import full_plan

FIELDS = read_form_fields("age: number 18-99\ngender: choice woman, man, another\ncomment: text optional")


def form(*quotas: str, **fields: Any) -> dict[str, Any]:
    text = "age: number 18-99\ngender: choice woman, man, another"
    return {"kind": "form", "name": "people", "trials": 1, "fields": text, "quotas": list(quotas), **fields}


def test_groups_are_answers_or_ranges_with_a_number_of_people() -> None:
    lines = ["gender: woman 30, men and others = man | another 25", "age: 18-34 20, older = 35-99 20"]
    groups = read_quota_groups("people", lines, FIELDS)
    assert [(group.words, group.most) for group in groups] == [
        ("gender: woman", 30),
        ("gender: men and others", 25),
        ("age: 18-34", 20),
        ("age: older", 20),
    ]
    assert groups[1].holds({"gender": "another"})
    assert groups[2].holds({"age": 34})
    assert not groups[2].holds({"age": 35})
    assert not groups[2].holds({"age": None})
    assert list(quota_problems("people", lines, FIELDS)) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("gender woman 30", "not a line such as"),
        ("comment: woman 30", "is no number or choice"),
        ("gender: woman", "has no number of people"),
        ("gender: lady 3", "is no answer to 'gender': woman, man, another"),
        ("gender: woman 0", "takes nobody"),
        ("gender: woman 3, woman | man 4", "overlaps"),
        ("gender: woman 3, woman 4", "stands more than once"),
        ("age: young 3", "is no range of numbers"),
        ("age: 3-17 3", "nobody's answer can be in 3-17: 'age' is from 18 to 99"),
        ("age: 18-34 3, 34-50 3", "overlaps"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line: str, problem: str) -> None:
    problems = list(quota_problems("people", [line], FIELDS))
    assert len(problems) == 1
    assert problems[0].startswith("line 1: ")
    assert problem in problems[0]


@given(st.lists(st.integers(18, 99), min_size=1, max_size=6, unique=True), st.integers(18, 99))
def test_bands_that_meet_hold_every_age_once(cuts: list[int], age: int) -> None:
    edges = [18, *sorted(cuts), 100]
    bands = [(low, high - 1) for low, high in pairwise(edges) if low < high]
    groups = read_quota_groups("people", [f"age: {', '.join(f'{a}-{b} 5' for a, b in bands)}"], FIELDS)
    assert len(groups) == len(bands)
    assert sum(group.holds({"age": age}) for group in groups) == 1
    assert covers(FIELDS[0], groups)
    if len(groups) > 1:
        assert not covers(FIELDS[0], groups[:-1])


def test_a_plan_keeps_its_quotas_and_one_without_them_its_digest() -> None:
    plan = full_plan()
    assert "quotas" not in plain(FormBlock.model_validate(form()))
    value = plan.to_json()
    with_form = StudyPlan.from_json({**value, "blocks": [form("gender: woman 3, man 3"), *value["blocks"]]})
    assert [group.most for group in quota_groups(with_form)] == [3, 3]
    assert StudyPlan.from_json(with_form.to_json()).digest == with_form.digest
    block = block_of(with_form, "people")
    assert [group.name for group in groups_answered(block, {"gender": "man", "age": 20})] == ["man"]
    assert list(waits(with_form))[:2] == ["", "before"]
    assert list(quota_warnings(with_form)) == []  # another gender is in no group
    full = form("gender: woman 1, man 1, another 1")
    small = StudyPlan.from_json({**value, "participants": 40, "blocks": [full, *value["blocks"]]})
    assert list(quota_warnings(small)) == [
        "The quotas of “gender” in block “people” let in 3 people in all, and the study is for 40."
    ]


def test_quotas_come_before_all_images() -> None:
    value = full_plan().to_json()
    with pytest.raises(ShapeError, match="quotas: come behind block"):
        StudyPlan.from_json({**value, "blocks": [*value["blocks"], form("gender: woman 3")]})
