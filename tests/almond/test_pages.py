"""Kinds of trials without images: what they plan, which answers fit, what an export says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from almond.analysis.sample import screen
from almond.analysis.study_data import read_study
from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.design.questionnaires import QUESTIONNAIRES
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial, block_of
from almond.design.trials.pages.form_fields import FieldProblems, FormField, read_form_fields
from almond.design.trials.pages.question_lines import read_questions
from almond.errors import InputError
from almond.evidence.export import read_export
from almond.evidence.psych_ds_rules import psych_ds_problems
from almond.evidence.simulated import simulate_study
from almond.evidence.starters import starter_files
from almond.evidence.verify import first_broken, verify
from almond.power.layout import make_layout
from tests.almond.small_export import CREATED, SmallStudy

FIELDS = """age (How old are you?): number 18-99
gender: choice woman, man, another, I prefer not to say

comment: text optional
wish: text exported"""
QUESTIONS = "What do you judge? | its colour | *its threat\nHow often? | *once | twice | never"
PAGES: list[dict[str, Any]] = [
    {"kind": "instruction", "name": "welcome", "trials": 2, "text": "Read this.\n\nWell.\n---\nAnd this."},
    {"kind": "form", "name": "people", "trials": 1, "fields": FIELDS},
    {
        "kind": "comprehension_check",
        "name": "understood",
        "trials": 2,
        "questions": QUESTIONS,
        "reread": "Look.",
    },
    {
        "kind": "attention_check",
        "name": "attentive",
        "trials": 1,
        "question": "Please choose “Agree” here.",
        "correct": "Agree",
    },
    {"kind": "break", "name": "rest", "trials": 1, "least_seconds": 5, "longest_seconds": 60},
    {"kind": "questionnaire", "name": "traits", "trials": 1, "instrument": "mini_ipip"},
]
PRACTICE = {
    "kind": "practice",
    "name": "trying",
    "trials": 2,
    "of": "ratings",
    "practised": {"kind": "rating", "constructs": ["threat", "social"]},
}


def with_pages(plan: StudyPlan, *more: Mapping[str, Any], **changes: Mapping[str, Any]) -> StudyPlan:
    """The plan with a block of every kind of pages before its own; ``changes`` by the name of a block."""
    values = plan.to_json()
    pages = [{**block, **changes.get(block["name"], {})} for block in PAGES]
    return StudyPlan.from_json({**values, "blocks": [*pages, *more, *values["blocks"]]})


def problems_of_form(text: str) -> str:
    with pytest.raises(FieldProblems) as caught:
        read_form_fields(text)
    return str(caught.value)


def test_fields_of_forms_are_read_line_by_line() -> None:
    age, gender, comment, wish = read_form_fields(FIELDS)
    assert age == FormField("age", "How old are you?", "number", low=18, high=99)
    assert gender.options == ("woman", "man", "another", "I prefer not to say")
    assert (comment.label, comment.optional, comment.exported) == ("Comment", True, False)
    assert (wish.optional, wish.exported) == (False, True)
    (height,) = read_form_fields("height: number 0.5-2.5 optional")
    assert (height.low, height.high, height.whole, height.optional) == (0.5, 2.5, False, True)
    (often,) = read_form_fields("often (Do you often: ever?): optional choice yes, no")
    assert (often.label, often.options, often.optional) == ("Do you often: ever?", ("yes", "no"), True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age number 18-99", "line 1: 'age number 18-99' has no colon"),
        ("Age: number 18-99", "line 1: the name 'Age' is not a small letter"),
        ("age: number", "line 1: a number needs its range, as in “number 18-99”, not ''"),
        ("age: number 99-18", "line 1: the range 99-18 does not begin below its end"),
        ("a: text\n\na: text", "line 3: 'a' stands in an earlier line"),
        ("sex: choice woman", "line 1: two answers or more are needed"),
        ("sex: choice woman, woman", "line 1: an answer stands twice"),
        ("colour: colour red", "line 1: 'colour' is no type of a field; known are number, choice and text"),
        ("a: text long", "line 1: 'long' after “text” means nothing"),
        ("", "has no line"),
    ],
)
def test_a_wrong_line_of_a_form_is_named(text: str, said: str) -> None:
    assert said in problems_of_form(text)


def test_all_wrong_lines_are_said_at_once() -> None:
    assert problems_of_form("a: b\nc: number").count("line ") == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("What?", "line 1: a question needs two answers or more"),
        ("What? | a | b", "line 1: 0 answers are marked as correct"),
        ("What? | *a | *b", "line 1: 2 answers are marked as correct"),
        ("What? | *a | b\nWho? | *a | a", "line 2: an answer stands twice"),
    ],
)
def test_a_wrong_question_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^line") as caught:
        read_questions(text)
    assert said in str(caught.value)


def test_plans_and_lists_have_pages(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path)
    plan = with_pages(study.plan, PRACTICE)
    assert StudyPlan.from_bytes(plan.to_bytes()) == plan
    for trials in make_lists(plan, 3):
        assert [trial.index for trial in trials] == list(range(plan.trials))
        assert [trial.block for trial in trials][:8] == [
            *("welcome", "welcome", "people", "understood", "understood", "attentive", "rest", "traits"),
        ]
        assert all(trial.stimuli == () for trial in trials[:8])
        practice = [trial for trial in trials if trial.block == "trying"]
        assert [(trial.kind, len(trial.stimuli)) for trial in practice] == [("practice", 1)] * 2
    # Pages change nothing of what the other blocks deal.
    own = [trial[1:] for trial in make_lists(study.plan, 3)[0]]
    paged = [trial[1:] for trial in make_lists(with_pages(study.plan), 3)[0][8:]]
    assert paged == own
    assert make_layout(plan, 2).trials == (plan.trials, plan.trials)


@pytest.mark.parametrize(
    ("block", "change", "said"),
    [
        ("welcome", {"trials": 1}, r"blocks\[0\].trials: is 1, but the block has 2"),
        ("welcome", {"text": "a\n---\n"}, r"blocks\[0\].text: page 2 of 2 is empty"),
        ("people", {"constructs": ["threat"]}, r"blocks\[1\].constructs: means nothing here"),
        ("people", {"fields": "age: numbr 1-2"}, r"blocks\[1\].fields: line 1: 'numbr' is no type"),
        ("attentive", {"correct": "Yes"}, r"blocks\[3\].correct: is 'Yes', none of the answers"),
        ("attentive", {"question": "How are you?"}, r"blocks\[3\].question: does not say to choose 'Agree'"),
        ("rest", {"longest_seconds": 2}, r"blocks\[4\].longest_seconds: is 2, less than the least, 5"),
        ("traits", {"instrument": "big"}, r"blocks\[5\].instrument: is 'big', not one of mini_ipip"),
    ],
)
def test_a_wrong_page_is_no_plan(tmp_path: Path, block: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_pages(SmallStudy(tmp_path).plan, **{block: change})


def problems(plan: StudyPlan, name: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    block = block_of(plan, name)
    kind = TRIAL_KINDS.load(block.kind)
    body = {"response_id": "12345678-1234-1234-1234-123456789012", "trial_id": "t", "rt_ms": 1, "images": []}
    answer = kind.answer.model_validate({**body, "values": values})
    constructs = ("threat", "social") if name == "trying" else ()
    return list(kind.check(answer, PlannedTrial(0, name, block.kind, constructs=constructs), block))


def test_answers_are_compared_with_the_page(tmp_path: Path) -> None:
    plan = with_pages(SmallStudy(tmp_path).plan, PRACTICE)
    right = {"age": 30, "gender": "man", "wish": "none"}
    assert problems(plan, "people", right) == []
    wrong = {"age": 17.5, "gender": "Man", "wish": None, "name": "Jo"}
    assert [path for path, _ in problems(plan, "people", wrong)] == [
        *("values.name", "values.age", "values.gender", "values.wish"),
    ]
    assert problems(plan, "attentive", {"answer": "Neither"}) == []
    assert [path for path, _ in problems(plan, "attentive", {"answer": "agree"})] == ["values.answer"]
    assert problems(plan, "understood", {"1": "its colour", "2": "once"}) == []
    assert [path for path, _ in problems(plan, "understood", {"1": "its form", "3": "once"})] == [
        *("values.3", "values.1", "values.2"),
    ]
    items = {str(number): 3 for number in range(1, 21)}
    assert problems(plan, "traits", items) == []
    assert [path for path, _ in problems(plan, "traits", {**items, "20": 6})] == ["values.20"]
    assert problems(plan, "trying", {"threat": 10, "social": 20}) == []
    assert [path for path, _ in problems(plan, "trying", {"threat": 101})] == ["values.threat"]
    assert [path for path, _ in problems(plan, "trying", {"threat": 10})] == ["values.social"]


def test_practice_has_the_settings_of_what_it_practises(tmp_path: Path) -> None:
    points = {"kind": "likert", "constructs": ["threat", "social"], "points": 5}
    plan = with_pages(SmallStudy(tmp_path).plan, {**PRACTICE, "practised": points})
    assert problems(plan, "trying", {"threat": 1, "social": 5}) == []
    assert [path for path, _ in problems(plan, "trying", {"threat": 6, "social": 5})] == ["values.threat"]
    block = block_of(plan, "trying")
    kind, played = TRIAL_KINDS.load("practice").played_as(block)
    assert (kind.name, played.model_dump()["points"]) == ("likert", 5)
    assert TRIAL_KINDS.load("practice").shown(block) == {**kind.shown(played), "practice": []}
    with pytest.raises(InputError, match=r"blocks\[6\].practised.points: is 1, not a number of at least 2"):
        with_pages(plan, {**PRACTICE, "practised": {**points, "points": 1}})


def test_no_correct_answer_is_shown(tmp_path: Path) -> None:
    plan = with_pages(SmallStudy(tmp_path).plan)
    shown = {block.name: TRIAL_KINDS.load(block.kind).shown(block) for block in plan.blocks}
    assert shown["attentive"].keys() == {"question", "options"}
    assert shown["understood"].keys() == {"questions", "reread"}
    assert shown["understood"]["questions"][0] == ["What do you judge?", ["its colour", "its threat"]]


@pytest.mark.parametrize("name", QUESTIONNAIRES.names())
def test_questionnaires_say_source_licence_and_key(name: str) -> None:
    asked = QUESTIONNAIRES.load(name)
    assert "ublic domain" in asked.licence
    assert "(19" in asked.source or "(20" in asked.source
    assert {item.scale for item in asked.items} == set(asked.scales)
    assert len({item.text for item in asked.items}) == len(asked.items)
    numbers = range(1, len(asked.items) + 1)
    most = len(asked.answers)
    highest = asked.sums({n: 1 if asked.items[n - 1].reversed else most for n in numbers})
    assert highest == {
        scale: most * sum(item.scale == scale for item in asked.items) for scale in asked.scales
    }


def test_the_key_of_the_mini_ipip_is_the_published_one() -> None:
    """Donnellan et al. (2006): 6 to 10 and 15 to 20 are reversed; scales go round in fives."""
    asked = QUESTIONNAIRES.load("mini_ipip")
    reversed_items = [number for number, item in enumerate(asked.items, start=1) if item.reversed]
    assert reversed_items == [6, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20]
    assert [item.scale for item in asked.items] == [item.scale for item in asked.items[:5]] * 4
    neuroticism = {4: 5, 9: 1, 14: 4, 19: 2}
    values = {number: neuroticism.get(number, 3) for number in range(1, 21)}
    assert asked.sums(values)["neuroticism"] == 5 + (6 - 1) + 4 + (6 - 2)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of four simulated participants."""
    study = SmallStudy(tmp_path_factory.mktemp("pages"))
    plan = with_pages(study.plan, PRACTICE)
    rng = np.random.default_rng(1)
    answered = simulate_study(
        plan,
        make_lists(plan, 2),
        {stimulus.id: rng.uniform(size=16) for stimulus in plan.stimuli},
        n_participants=4,
        seed=1,
        start=datetime.fromisoformat(CREATED).astimezone(UTC),
    )
    participants = answered.pop("participants")
    return study.write(plan=plan, participants=participants, responses=answered)


def test_simulated_participants_answer_all_pages_and_an_export_carries_them(exported: Path) -> None:
    folder = exported
    tables = read_export(folder).tables
    assert first_broken(verify(folder)) is None
    assert psych_ds_problems(folder) == []
    counts = {name: len(tables[name]) for name in ("instructions", "forms", "breaks", "attention")}
    assert counts == {"instructions": 8, "forms": 16, "breaks": 4, "attention": 4}
    # Two questions at each attempt; whoever passed was not asked again.
    people, attempts = tables["participants"], tables["comprehension"]
    assert (people["trials_done"] + people["trials_skipped"] == people["trials_planned"]).all()
    assert 8 <= len(attempts) < 16
    assert len(attempts) == 16 - 2 * people["trials_skipped"].sum()
    assert len(tables["questionnaires"]) == 80
    assert len(tables["practice"]) == 8
    # What was practised is not among the ratings.
    assert set(tables["ratings"]["block"]) == {"ratings"}
    codebook = pd.read_csv(folder / "codebook.csv", keep_default_na=False)
    for name in (
        "instructions",
        "forms",
        "breaks",
        "attention",
        "comprehension",
        "questionnaires",
        "practice",
    ):
        described = codebook[codebook["table"] == name]
        assert list(described["column"]) == list(tables[name].columns)
        assert (described["description"] != "").all()
    assert len(read_study(folder).participants) == 4


def test_who_skipped_trials_is_analysed_and_whose_visit_was_ended_is_not(exported: Path) -> None:
    data = read_study(exported)
    assert data.participants["trials_skipped"].sum() > 0
    assert len(screen(data).finished) == 4
    people = data.participants.assign(ended_by=["attentive", "", "", ""])
    assert len(screen(replace(data, participants=people)).finished) == 3
    script = (exported / "start.py").read_text(encoding="utf-8")
    assert script == starter_files(branching=True)["start.py"].decode()
    assert 'planned = planned - people["trials_skipped"]\n' in script
    assert "trials_skipped" in starter_files(branching=True)["start.R"].decode()
    assert all(b"trials_skipped" not in text for text in starter_files().values())


def test_free_text_stays_on_the_site_unless_the_plan_exports_it(exported: Path) -> None:
    forms = read_export(exported).tables["forms"]
    comments, wishes = (forms[forms["field"] == name] for name in ("comment", "wish"))
    assert (comments["answer"] == "").all()
    assert comments["withheld"].sum() > 0
    assert (wishes["answer"] != "").all()
    assert (wishes["withheld"] == 0).all()


def test_sum_scores_follow_from_the_items(exported: Path) -> None:
    rows = read_export(exported).tables["questionnaires"]
    sums = rows.groupby(["participant_id", "scale"]).agg({"points": "sum", "scale_sum": ["min", "max"]})
    assert (sums["points"]["sum"] == sums["scale_sum"]["min"]).all()
    assert (sums["points"]["sum"] == sums["scale_sum"]["max"]).all()


@pytest.mark.parametrize(
    ("table", "column", "value", "said"),
    [
        ("attention", "passed", None, "passed does not follow from the answer"),
        ("questionnaires", "points", None, "points do not follow from the value"),
        ("forms", "field", "shoe_size", "field 'shoe_size' is none of block 'people'"),
    ],
)
def test_rows_that_contradict_the_plan_are_named(
    exported: Path, table: str, column: str, value: Any, said: str
) -> None:
    export = read_export(exported)
    plan, rows = export.plan, export.tables[table]
    kind = next(kind for kind in TRIAL_KINDS.entries().values() if kind.table.name == table)
    row = dict(rows.iloc[0])
    assert list(kind.row_problems(plan, {}, row)) == []
    row[column] = value if value is not None else 6 if column == "points" else 1 - int(row[column])
    assert any(said in problem for problem in kind.row_problems(plan, {}, row))


@pytest.mark.parametrize(
    ("german", "english"), [("mini_ipip_de", "mini_ipip"), ("ipip_anxiety_de", "ipip_anxiety")]
)
def test_german_instruments_have_the_key_of_the_english_ones(german: str, english: str) -> None:
    translated, original = QUESTIONNAIRES.load(german), QUESTIONNAIRES.load(english)
    assert translated.scales == original.scales
    assert [(item.scale, item.reversed) for item in translated.items] == [
        (item.scale, item.reversed) for item in original.items
    ]
    assert len({item.text for item in translated.items}) == len(original.items)
    assert len(translated.answers) == len(original.answers)
    assert "was not validated" in translated.source
    assert (translated.language, original.language) == ("de", "en")
