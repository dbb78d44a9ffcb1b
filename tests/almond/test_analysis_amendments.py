"""Amendments and deviations: what the manifest tells of a study's course, in the result and in the report."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from almond.analysis.analyse import analyse_export
from almond.analysis.document import study_document
from almond.analysis.questions.base import Settings
from almond.analysis.registration.amendments import EXPLORATORY, amendments_section, relative
from almond.analysis.registration.deviations import KINDS, first_response, list_deviations
from almond.analysis.registration.label import label_analysis
from almond.analysis.sample import apply_exclusions
from almond.analysis.study_data import read_study
from almond.cli.main import main
from almond.digest import canonical_json
from almond.errors import InputError
from almond.exchange.amendments import Amendment
from almond.report.render import render_markdown
from tests.almond.export_maker import make_export, reseal

ENDED = {"state": "closed", "planned": 4, "finished": 4, "closed_at": "2026-03-05T12:00:00+00:00"}
UNLOCKED = {
    "at": "2026-03-01T10:00:00+00:00",
    "by": "Ada Lovelace",
    "why": "a participant reported an image that should not be there",
    "finished": 2,
}
AMENDMENT = {
    "kind": "analysis",
    "text": "Ratings are also analysed on their raw scale.",
    "why": "A reviewer asked for it.",
    "author": "Ada Lovelace",
    "at": "2026-03-04T10:00:00+00:00",
    "responses_before": 12,
}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return make_export(tmp_path / "export", participants=4, scenes=3, permutations=19)


def deviations(export: Path, **facts: Any) -> list[dict[str, Any]]:
    reseal(export, collection={**ENDED, **facts})
    data = read_study(export)
    planned = data.plan.analysis
    settings = Settings(planned.permutations, data.plan.seed, planned.alpha)
    return list_deviations(data, settings, apply_exclusions(data))


def set_stopping(export: Path, **stopping: Any) -> None:
    plan = json.loads((export / "plan.json").read_bytes())
    plan["preregistration"] = {"stopping": stopping}
    (export / "plan.json").write_bytes(canonical_json(plan))
    reseal(export)


def test_a_study_that_went_as_planned_has_none(export: Path) -> None:
    assert deviations(export) == []


@pytest.mark.parametrize(
    ("facts", "done"),
    [
        ({"finished": 3}, "earlier, on 2026-03-05, with 3 who have finished"),
        ({"finished": 3, "finished_and_withdrew": 2}, "later, on 2026-03-05, with 5 who have finished"),
        ({"state": "live", "closed_at": None}, "not ended, live: 4 have finished"),
    ],
)
def test_an_end_by_another_number_is_a_deviation_of_the_sample(
    export: Path, facts: dict[str, Any], done: str
) -> None:
    rows = deviations(export, **facts)
    assert rows == [
        {
            "kind": "sample",
            "what": "end of collecting",
            "planned": "with 4 who have finished",
            "done": done,
        }
    ]


@pytest.mark.parametrize(
    ("day", "when"), [("2026-03-06", "earlier"), ("2026-03-04", "later"), ("2026-03-05", "")]
)
def test_an_end_on_another_day_is_a_deviation_of_the_sample(export: Path, day: str, when: str) -> None:
    set_stopping(export, until="date", date=day)
    rows = deviations(export)
    assert [row["done"] for row in rows] == (
        [f"{when}, on 2026-03-05, with 4 who have finished"] if when else []
    )
    assert [row["planned"] for row in rows] == ([f"on {day}"] if when else [])


def test_looks_and_unlocking_are_deviations_of_the_sample(export: Path) -> None:
    set_stopping(export, until="number", looks=[2])
    look = {"at": "2026-03-01T10:00:00+00:00", "analysed": 1, "finished": 2}
    assert deviations(export, looks=[look]) == []  # who finished counts, not who is analysed
    rows = deviations(export, looks=[look, {**look, "finished": 3}], unlocked=UNLOCKED)
    assert {row["kind"] for row in rows} == {"sample"}
    assert [(row["what"], row["planned"]) for row in rows] == [
        ("looks before the end", "with 2 participants"),
        ("blind until the end", "yes"),
    ]
    assert rows[0]["done"] == "with 3 participants on 2026-03-01"
    assert rows[1]["done"].startswith("unlocked on 2026-03-01 by Ada Lovelace, with 2 who had finished: “a")


def test_opening_without_a_rehearsal_is_a_deviation_with_its_reason(export: Path) -> None:
    told = {"at": "2026-03-01T10:00:00+00:00", "by": "Ada Lovelace", "why": "The pilot\nwas enough. "}
    (row,) = deviations(export, unrehearsed=told)
    assert (row["kind"], row["what"]) == ("sample", "rehearsed before it was opened")
    assert row["done"] == "opened without one on 2026-03-01 by Ada Lovelace: “The pilot\nwas enough.”"


def test_of_a_rehearsal_and_of_simulated_people_only_numbers_are_compared(export: Path) -> None:
    assert deviations(export, rehearsal=True, state="live", finished=0) == []


def test_unlocking_makes_an_analysis_exploratory_in_the_first_lines(export: Path) -> None:
    reseal(export, collection={**ENDED, "unlocked": UNLOCKED})
    data = read_study(export)
    label = label_analysis(data, apply_exclusions(data), [])
    assert label.mode == "exploratory"
    assert label.reasons == (
        "the data were unlocked before the end, on 2026-03-01 by Ada Lovelace, with 2 who had finished: "
        f"“{UNLOCKED['why']}”",
    )


def test_the_result_and_the_report_list_amendments_and_deviations(export: Path) -> None:
    reseal(export, collection={**ENDED, "unlocked": UNLOCKED}, amendments=[AMENDMENT])
    result = analyse_export(export, permutations=9).data
    assert {row["kind"] for row in result["deviations"]} == {"sample", "analysis"} <= set(KINDS)
    (row,) = result["amendments"]
    assert {name: row[name] for name in AMENDMENT} == AMENDMENT
    first = first_response(read_study(export))
    assert first is not None
    assert "after the first response, 12 stored" in row["when"]
    text = render_markdown(study_document(result).with_figures(()))
    section = text.split("## Amendments and deviations")[1].split("\n## ")[0]
    for words in (AMENDMENT["text"], AMENDMENT["why"], "Ada Lovelace", "2026-03-04", EXPLORATORY, "19 | 9"):
        assert str(words) in section
    lines = [line for line in text.splitlines() if line]
    assert "unlocked before the end" in lines[1]
    assert text.index("## Amendments and deviations") < text.index("## Participants and exclusions")


def test_without_any_the_report_says_so() -> None:
    section = amendments_section({"study": {}, "deviations": [], "amendments": []})
    assert section.paragraphs == ("Deviations from the plan: none.", "Amendments of the plan: none.")
    before = amendments_section({"study": {}, "deviations": []})  # a result of an earlier version
    assert before == section


@pytest.mark.parametrize(
    ("at", "responses", "words"),
    [
        ("2026-03-04T10:00:00+00:00", 12, "3 days after the first response, 12 stored"),
        ("2026-03-01T11:30:00+00:00", 1, "1 hour after the first response, 1 stored"),
        ("2026-03-01T10:30:00+00:00", 1, "less than an hour after the first response, 1 stored"),
        ("2026-02-27T09:00:00+00:00", 0, "2 days before the first response"),
        # The answers that came first were erased since.
        ("2026-02-27T09:00:00+00:00", 5, "after the first response, 5 stored"),
    ],
)
def test_an_amendment_is_dated_relative_to_the_first_response(at: str, responses: int, words: str) -> None:
    row = Amendment(**{**AMENDMENT, "at": at, "responses_before": responses})
    assert relative(row, datetime.fromisoformat("2026-03-01T10:00:00+00:00")) == words


def test_amendments_before_the_first_response_are_not_called_exploratory() -> None:
    rows = [{**AMENDMENT, "responses_before": 0, "when": "before the first response"}]
    section = amendments_section({"study": {}, "deviations": [], "amendments": rows})
    assert EXPLORATORY not in section.paragraphs


def test_a_wrong_amendment_is_named(export: Path) -> None:
    reseal(export, amendments=[AMENDMENT, {**AMENDMENT, "kind": "mood"}])
    with pytest.raises(InputError, match=r"(?s)amendments\[1\].*kind"):
        analyse_export(export)


def test_the_printed_plan_of_an_export_lists_its_amendments(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reseal(export, collection=ENDED, amendments=[AMENDMENT])
    assert main(["plan", str(export)]) == 0
    said = capsys.readouterr().out
    assert "Amendments since the plan was frozen" in said
    assert AMENDMENT["text"] in said
    assert main(["plan", str(export / "plan.json")]) == 0
    assert "Amendments since" not in capsys.readouterr().out
