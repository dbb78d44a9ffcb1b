"""Columns that came later: exports with them and without are read, verified and analysed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from almond.analysis.analyse import analyse_export
from almond.analysis.sentences import sample_sentence
from almond.errors import InputError
from almond.evidence.export import read_export
from almond.evidence.verify import first_broken, verify
from tests.almond.small_export import CREATED, SmallStudy


def event(participant: str = "p0", **fields: Any) -> dict[str, Any]:
    common = {"event_id": "e1", "trial_index": "", "kind": "blur", "page_ms": 12.5, "detail": ""}
    return {**common, "participant_id": participant, "received_at": CREATED, **fields}


def written(folder: Path, kinds: list[str], **changes: Any) -> Path:
    """Write the small study with the columns that came later; ``kinds`` of its three participants."""
    study = SmallStudy(folder)
    people = [{**row, "kind": kind} for row, kind in zip(study.participants, kinds, strict=True)]
    marked: dict[str, Any] = {
        "ratings": [{**row, "late": 0, "marks": "too_fast altered"} for row in study.ratings],
        "choices": [{**row, "late": 1, "marks": ""} for row in study.choices],
    }
    return study.write(**{"participants": people, "events": [event()], **marked, **changes})


def test_later_columns_and_events_are_written_read_and_verified(tmp_path: Path) -> None:
    export = written(tmp_path, ["person", "person", "robot"])
    assert first_broken(verify(export)) is None
    tables = read_export(export).tables
    assert list(tables["participants"]["kind"]) == ["person", "person", "robot"]
    assert set(tables["ratings"]["marks"]) == {"too_fast altered"}
    assert set(tables["choices"]["late"]) == {1}
    assert tables["events"]["page_ms"].tolist() == [12.5]
    assert "participants,kind,text" in (export / "codebook.csv").read_text()


def test_an_export_without_them_is_whole_too(tmp_path: Path) -> None:
    export = SmallStudy(tmp_path).write()
    assert first_broken(verify(export)) is None
    assert "kind" not in read_export(export).tables["participants"]
    assert "kind" not in analyse_export(export, permutations=9).data["sample"]


def test_people_are_analysed_where_there_are_people(tmp_path: Path) -> None:
    data = analyse_export(written(tmp_path, ["person", "preview", "robot"]), permutations=9).data
    assert (data["sample"]["kind"], data["sample"]["joined"], data["sample"]["analysed"]) == ("person", 1, 1)
    assert data["sample"]["exclusions"][0] == {
        "rule": "people only", "what": "participants", "count": 2, "of": 3,
    }  # fmt: skip
    assert "simulated" not in sample_sentence(data)


def test_robots_are_analysed_where_there_are_none_and_are_called_simulated(tmp_path: Path) -> None:
    data = analyse_export(written(tmp_path, ["robot", "robot", "preview"]), permutations=9).data
    assert (data["sample"]["kind"], data["sample"]["joined"]) == ("robot", 2)
    assert sample_sentence(data).startswith("2 simulated participants")
    assert data["headline"][0].startswith("Simulated: no person took part")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"events": [event("nobody")]}, "nobody"),
        ({"events": [event(page_ms=-1.0)]}, "page_ms"),
        ({"events": [event(), event()]}, "twice"),
    ],
)
def test_wrong_events_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(tmp_path, ["person"] * 3, **changes)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kind"):
        written(tmp_path, ["person", "person", "martian"])
