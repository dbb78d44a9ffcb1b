"""What an analysis may be called: confirmatory has to be earned, everything else says why it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from almond.analysis.analyse import AnalysisResult, analyse_export
from almond.analysis.document import study_document
from almond.analysis.registration.label import OtherPlan, label_analysis
from almond.analysis.sample import apply_exclusions
from almond.analysis.study_data import read_study
from almond.cli.main import main
from almond.digest import canonical_json
from almond.errors import InputError
from almond.report.render import render_html, render_markdown
from tests.almond.export_maker import make_export, reseal

pytestmark = pytest.mark.usefixtures("blank_figures")

ENDED = {"state": "closed", "planned": 4, "finished": 4}
LOOK = {"at": "2026-01-03T10:00:00+00:00", "analysed": 2}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return make_export(tmp_path / "export", participants=4, scenes=3, permutations=19)


def label(export: Path) -> tuple[str, tuple[str, ...]]:
    data = read_study(export)
    said = label_analysis(data, apply_exclusions(data), [])
    return said.mode, said.reasons


def set_kinds(export: Path, *kinds: str) -> None:
    path = export / "data" / "participants.csv"
    people = pd.read_csv(path, dtype=str, keep_default_na=False)
    people["kind"] = kinds
    people.to_csv(path, index=False, lineterminator="\n")
    reseal(export)


def first_lines(result: AnalysisResult) -> list[str]:
    """The first lines of the report that are not empty, title first."""
    text = render_markdown(study_document(result.data).with_figures(()))
    return [line for line in text.splitlines() if line][:2]


def test_a_closed_study_with_its_number_is_confirmatory(export: Path) -> None:
    assert label(export) == ("confirmatory", ())


@pytest.mark.parametrize(
    ("facts", "mode", "reason"),
    [
        ({"state": "live"}, "interim", "the study was live with 4 of 4 planned participants"),
        ({"state": "paused"}, "interim", "the study was paused with 4 of 4"),
        ({"looks": [LOOK]}, "exploratory", "analysed before the end (with 2 participants)"),
        ({"rehearsal": True}, "exploratory", "the study was a rehearsal"),
    ],
)
def test_whatever_speaks_against_confirmatory_is_said(
    export: Path, facts: dict[str, Any], mode: str, reason: str
) -> None:
    reseal(export, collection={**ENDED, **facts})
    said, reasons = label(export)
    assert said == mode
    assert [reason in text for text in reasons] == [True]


def test_a_study_closed_short_of_its_number_is_interim(export: Path) -> None:
    path = export / "data" / "participants.csv"
    people = pd.read_csv(path, dtype=str, keep_default_na=False)
    people.loc[0, "trials_done"] = "3"
    people.to_csv(path, index=False, lineterminator="\n")
    reseal(export)
    mode, reasons = label(export)
    assert mode == "interim"
    assert "closed before its stopping rule was met, with 3 of 4 planned participants" in reasons[0]
    reseal(export, collection={**ENDED, "finished": 3, "finished_and_withdrew": 1})
    assert label(export) == ("confirmatory", ())


def test_an_export_that_says_nothing_of_its_end_is_exploratory(export: Path) -> None:
    reseal(export, collection=None)
    mode, reasons = label(export)
    assert mode == "exploratory"
    assert "does not say whether collecting data had ended" in reasons[0]


def test_data_from_elsewhere_are_never_confirmatory(export: Path) -> None:
    reseal(export, origin="external")
    mode, reasons = label(export)
    assert mode == "exploratory"
    assert "come from elsewhere" in reasons[0]


def test_a_wrong_collection_is_named(export: Path) -> None:
    reseal(export, collection={**ENDED, "state": "over"})
    with pytest.raises(InputError, match="state: is 'over', not one of frozen, live, paused, closed"):
        label(export)


def test_interim_stands_in_the_first_lines_with_its_reason(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reseal(export, collection={**ENDED, "state": "live"})
    result = analyse_export(export, permutations=9)
    assert result.data["mode"] == "interim"
    assert result.data["reasons"] == [
        "collecting data had not ended, the study was live with 4 of 4 planned participants",
        "settings differ from the frozen plan (permutations 19 planned, 9 used)",
    ]
    title, first = first_lines(result)
    assert title == "# A made study"
    assert first.startswith("**Interim: collecting data had not ended")
    assert {row["status"] for row in result.data["tests"]} == {"interim"}
    assert main(["analyse", str(export)]) == 0
    assert capsys.readouterr().out.startswith("Interim: collecting data had not ended")


def test_simulated_stands_in_the_first_line_and_in_the_title(export: Path) -> None:
    set_kinds(export, "robot", "robot", "robot", "robot")
    result = analyse_export(export)
    assert result.data["mode"] == "simulated"
    title, first = first_lines(result)
    assert title == "# A made study (simulated)"
    assert first.startswith("**Simulated: no person took part")
    page = render_html(study_document(result.data).with_figures(()), {})
    assert "<title>A made study (simulated)</title>" in page


def test_older_exports_of_simulated_people_are_simulated(export: Path) -> None:
    reseal(export, about={"simulated": True})
    assert label(export)[0] == "simulated"


def test_previews_and_robots_are_left_out_where_people_took_part(export: Path) -> None:
    set_kinds(export, "person", "robot", "preview", "person")
    data = read_study(export)
    sample = apply_exclusions(data)
    assert sample.participants == ("P000", "P003")
    assert set(sample.ratings["participant_id"]) == set(sample.choices["participant_id"]) == {"P000", "P003"}
    assert "with 2 of 4 planned" in label(export)[1][0]


def test_previews_alone_are_nobody(export: Path) -> None:
    set_kinds(export, *["preview"] * 4)
    data = read_study(export)
    assert apply_exclusions(data).participants == ()


def test_another_plan_than_the_deposited_one_is_refused(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = json.loads((export / "plan.json").read_bytes())
    deposited = read_study(export).plan.digest
    assert main(["analyse", str(export), "--plan", deposited]) == 0
    assert "The plan is the deposited one." in capsys.readouterr().out
    plan["analysis"]["alpha"] = 0.1
    (export / "plan.json").write_bytes(canonical_json(plan))
    reseal(export)
    assert analyse_export(export).confirmatory  # nothing inside the folder tells
    with pytest.raises(OtherPlan):
        analyse_export(export, deposited=deposited)
    assert main(["analyse", str(export), "--plan", deposited]) == 2
    said = capsys.readouterr().err
    assert deposited in said
    assert "nothing was analysed" in said


def test_a_plan_that_is_no_digest_is_wrong_usage(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["analyse", str(export), "--plan", "12ab"])
    assert ended.value.code == 2
    assert "'12ab' is not a SHA-256 digest" in capsys.readouterr().err
