"""The preregistration as data: read strictly, printed as a document, and judged by named criteria."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from almond.analysis.analyse import analyse_export
from almond.analysis.document import study_document
from almond.analysis.registration.label import label_analysis
from almond.analysis.registration.plan_document import FIELDS, plan_document, plan_json
from almond.analysis.sample import apply_exclusions
from almond.analysis.study_data import read_study
from almond.cli.main import main
from almond.design.criteria import CRITERIA
from almond.design.criteria.base import Evidence
from almond.design.criteria.equivalence import Equivalence
from almond.design.criteria.significance import Significance
from almond.design.criteria.smallest_effect import SmallestEffect
from almond.design.plan import StudyPlan
from almond.design.preregistration import Preregistration
from almond.digest import canonical_json
from almond.report.render import render_html, render_markdown
from almond.shapes import ShapeError, keys_of
from tests.almond.design_plans import full_plan
from tests.almond.export_maker import make_export, reseal

TOLD: dict[str, Any] = {
    "name": "H1",
    "text": "Scenes look threatening.",
    "test": "choices",
    "direction": "greater",
}


def planned(stated: dict[str, Any], plan: StudyPlan | None = None) -> StudyPlan:
    return StudyPlan.from_json({**(plan or full_plan()).to_json(), "preregistration": stated})


# -- the plan


def test_a_plan_without_it_keeps_its_digest_and_its_bytes() -> None:
    plan = full_plan()
    assert "preregistration" not in plan.to_json()
    assert plan.digest == "05e56c8400eea84c748a3d91e97656328d09fa86e25fcac843ca7f580eedfde7"
    assert StudyPlan.from_bytes(plan.to_bytes()).preregistration is None


def test_it_is_part_of_the_digest_and_reads_back() -> None:
    stated = {"hypotheses": [{**TOLD, "criterion": {"kind": "smallest_effect", "smallest": 0.1}}]}
    plan = planned(stated)
    assert plan.digest != full_plan().digest
    again = StudyPlan.from_bytes(plan.to_bytes())
    assert again == plan
    assert again.digest == plan.digest
    assert again.preregistration is not None
    assert again.preregistration.hypotheses[0].criterion == SmallestEffect(smallest=0.1)


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        (
            {"hypotheses": [{**TOLD, "test": "magic"}]},
            "hypotheses[0].test: is 'magic', not one of",
        ),
        (
            {"hypotheses": [{**TOLD, "target": "LB"}]},
            "hypotheses[0].target: 'LB' is not a target",
        ),
        ({"hypotheses": [{**TOLD, "construct": "joy"}]}, "hypotheses[0].construct: 'joy' is not a construct"),
        ({"hypotheses": [{**TOLD, "direction": "up"}]}, "hypotheses[0].direction: is 'up', not one of"),
        (
            {"hypotheses": [{**TOLD, "test": "classification", "direction": "less"}]},
            "direction: is 'less', but classification can only show greater",
        ),
        (
            {"hypotheses": [{**TOLD, "direction": "none"}]},
            "hypotheses[0].direction: is 'none', but the criterion significance judges greater or less",
        ),
        (
            {"hypotheses": [{**TOLD, "criterion": {"kind": "equivalence", "smallest": 0.1}}]},
            "hypotheses[0].direction: is 'greater', but the criterion equivalence judges none",
        ),
        (
            {"hypotheses": [{**TOLD, "direction": "none", "criterion": "equivalence"}]},
            "hypotheses[0].criterion",
        ),
        ({"hypotheses": [TOLD, TOLD]}, "hypotheses: name 'H1' stands more than once"),
        (
            {"hypotheses": [{**TOLD, "criterion": {"kind": "p < .05 or p > .95"}}]},
            "criterion: kind is 'p < .05 or p > .95', not one of significance, smallest_effect, equivalence",
        ),
        (
            {"hypotheses": [{**TOLD, "criterion": {"kind": "smallest_effect", "smallest": 0.0}}]},
            "criterion.smallest: is 0.0, not a number above 0",
        ),
        ({"stopping": {"until": "date"}}, "stopping.date: is needed where collecting ends on a date"),
        ({"stopping": {"until": "date", "date": "soon"}}, "stopping.date: is 'soon', not a date such as"),
        ({"stopping": {"looks": [20, 10]}}, "stopping.looks: is [20, 10], not numbers that rise"),
        ({"stopping": {"looks": [40]}}, "stopping.looks: come after the last of 40 participants"),
        ({"sample": "many"}, "sample: unknown setting"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_path(stated: dict[str, Any], problem: str) -> None:
    with pytest.raises(ShapeError) as refused:
        planned(stated)
    assert any(problem in text for text in refused.value.problems), refused.value.problems


# -- criteria


@pytest.mark.parametrize(
    ("direction", "p", "effect", "outcome"),
    [
        ("greater", 0.05, 0.1, "corroborated"),
        ("greater", 0.051, 0.1, "inconclusive"),
        ("greater", 0.01, -0.1, "falsified"),
        ("less", 0.01, -0.1, "corroborated"),
        ("less", 0.01, 0.1, "falsified"),
        ("either", 0.01, -0.1, "corroborated"),
        ("greater", 0.01, None, "inconclusive"),
        ("either", 0.01, None, "corroborated"),
    ],
)
def test_significance(direction: Any, p: float, effect: float | None, outcome: str) -> None:
    assert Significance().judge(direction, Evidence(p, 0.05, effect)).outcome == outcome


@pytest.mark.parametrize(
    ("direction", "p", "effect", "low", "high", "outcome"),
    [
        ("greater", 0.01, 0.12, 0.05, 0.19, "corroborated"),
        ("greater", 0.01, 0.08, 0.02, 0.14, "inconclusive"),
        ("greater", 0.01, 0.04, 0.01, 0.07, "falsified"),
        ("greater", 0.5, 0.01, -0.2, 0.09, "falsified"),
        ("greater", 0.5, 0.01, -0.2, 0.1, "inconclusive"),
        ("less", 0.01, -0.12, -0.2, -0.02, "corroborated"),
        ("less", 0.5, 0.01, -0.09, 0.3, "falsified"),
        ("either", 0.5, 0.01, -0.09, 0.09, "falsified"),
        ("either", 0.5, 0.01, -0.12, 0.09, "inconclusive"),
        ("greater", 0.5, 0.01, None, None, "inconclusive"),
        ("greater", 0.01, None, None, None, "inconclusive"),
    ],
)
def test_smallest_effect(
    direction: Any, p: float, effect: float | None, low: float | None, high: float | None, outcome: str
) -> None:
    evidence = Evidence(p, 0.05, effect, low, high)
    assert SmallestEffect(smallest=0.1).judge(direction, evidence).outcome == outcome


@pytest.mark.parametrize(
    ("p", "effect", "narrow", "p_difference", "outcome"),
    [
        (0.05, 0.01, (-0.09, 0.1), 0.8, "corroborated"),
        (0.051, 0.01, (-0.09, 0.11), 0.8, "inconclusive"),
        (0.01, 0.03, (0.01, 0.05), 0.01, "corroborated"),  # different from none, and still small
        (0.9, 0.12, (0.05, 0.19), 0.01, "falsified"),
        (0.9, -0.12, (-0.19, -0.05), 0.01, "falsified"),
        (0.9, 0.12, (-0.05, 0.29), 0.2, "inconclusive"),
        (0.1, 0.08, (0.01, 0.15), 0.01, "inconclusive"),
        (1.0, -0.2, (-0.3, -0.1), 0.2, "falsified"),
        (1.0, 0.0, (None, None), 0.5, "inconclusive"),
        (1.0, None, (None, None), None, "inconclusive"),
    ],
)
def test_equivalence(
    p: float, effect: float, narrow: tuple[float, float], p_difference: float, outcome: str
) -> None:
    evidence = Evidence(p, 0.05, effect, None, None, *narrow, p_difference)
    assert Equivalence(smallest=0.1).judge("none", evidence).outcome == outcome


def test_every_criterion_says_what_it_does() -> None:
    for name, kind in CRITERIA.entries().items():
        criterion = kind(**({"smallest": 0.1} if "smallest" in keys_of(kind) else {}))
        assert criterion.kind == name
        for direction in criterion.directions:
            assert "0.01" in criterion.words(direction, 0.01)


# -- verdicts


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with an effect, whose plan has hypotheses that hold, that do not, and one without its test."""
    folder = make_export(
        tmp_path_factory.mktemp("study") / "export", participants=10, scenes=12, choice_effect=2.0
    )
    choice = {**TOLD, "name": "H1", "text": "The image with the higher prediction is chosen."}
    stated = {
        "hypotheses": [
            choice,
            {**choice, "name": "H2", "direction": "less", "text": "The other is chosen."},
            {**choice, "name": "H3", "target": "LB"},
            {**choice, "name": "H4", "construct": "threat"},
            {**choice, "name": "H5", "test": "classification", "text": "Ratings identify the region."},
            {**choice, "name": "H6", "test": "natural", "direction": "either"},
        ]
    }
    plan = planned(stated, read_study(folder).plan)
    (folder / "plan.json").write_bytes(canonical_json(plan.to_json()))
    reseal(folder)
    return folder


def test_every_hypothesis_gets_its_verdict(export: Path) -> None:
    result = analyse_export(export)
    verdicts = {row["name"]: row for row in result.data["verdicts"]}
    assert {name: row["verdict"] for name, row in verdicts.items()} == {
        "H1": "corroborated",
        "H2": "falsified",
        "H3": "corroborated",
        "H4": "inconclusive",
        "H5": "corroborated",
        "H6": "inconclusive",
    }
    lb = next(row for row in result.data["choices"]["targets"] if row["target"] == "LB")
    assert verdicts["H3"]["p"] == lb["p"]
    assert verdicts["H1"]["estimate"]["value"] == result.data["choices"]["overall"]["share"]
    assert verdicts["H4"]["why"] == verdicts["H6"]["why"] == "its test did not run"
    for row in verdicts.values():  # four tests ran: Holm's factor is at most four
        assert row["p"] is None or row["p"] <= row["p_corrected"] <= 4 * row["p"] + 1e-12
    assert result.headline[0].startswith("H1 is corroborated (p is at most 0.05, p ")
    page = render_markdown(study_document(result.data))
    assert page.index("- **Verdicts:** H1 corroborated (p ") < page.index("## Hypotheses and verdicts")
    assert page.index("## Hypotheses and verdicts") < page.index("## Do rating profiles")


def test_without_correction_p_values_stand_as_they_are(export: Path, tmp_path: Path) -> None:
    plan = read_study(export).plan.to_json()
    plan["preregistration"]["correction"] = "none"
    folder = make_export(tmp_path / "export", participants=10, scenes=12, choice_effect=2.0)
    (folder / "plan.json").write_bytes(canonical_json(plan))
    reseal(folder)
    rows = analyse_export(folder, permutations=19).data["verdicts"]
    assert [row["p_corrected"] for row in rows] == [row["p"] for row in rows]


# -- stopping rules and looks


@pytest.mark.parametrize(
    ("stopping", "collection", "mode"),
    [
        ({"looks": [2, 3]}, {"looks": [2, 3]}, "confirmatory"),
        ({"looks": [2, 3]}, {"looks": [3]}, "confirmatory"),
        ({"looks": [2]}, {"looks": [1]}, "exploratory"),
        ({"looks": [2]}, {"looks": [2, 3]}, "exploratory"),
        ({"until": "date", "date": "2026-02-01"}, {"closed_at": "2026-02-01T00:10:00+00:00"}, "confirmatory"),
        ({"until": "date", "date": "2026-02-01"}, {"closed_at": "2026-01-31T23:10:00+00:00"}, "interim"),
        ({"until": "date", "date": "2026-02-01"}, {}, "interim"),
    ],
)
def test_looks_and_dates_are_those_of_the_plan(
    tmp_path: Path, stopping: dict[str, Any], collection: dict[str, Any], mode: str
) -> None:
    folder = make_export(tmp_path / "export", participants=4, scenes=3)
    plan = planned({"stopping": stopping}, read_study(folder).plan)
    (folder / "plan.json").write_bytes(canonical_json(plan.to_json()))
    looks = [
        {"at": "2026-01-03T10:00:00+00:00", "analysed": number} for number in collection.pop("looks", [])
    ]
    ended = {"state": "closed", "planned": 4, "finished": 4, **collection, "looks": looks}
    reseal(folder, collection=ended)
    data = read_study(folder)
    assert label_analysis(data, apply_exclusions(data), []).mode == mode


# -- the document


def test_every_field_stands_in_the_document_and_in_both_forms() -> None:
    made = {"sample_size", "inference"}
    own = set(keys_of(Preregistration)) - {"correction"}
    assert own | made == set(FIELDS)
    words = {name: f"Text of {name}." for name in own - {"hypotheses", "stopping"}}
    plan = planned({**words, "hypotheses": [TOLD]})
    document = plan_document(plan)
    values = plan_json(plan)
    for text in words.values():
        assert text in render_markdown(document)
        assert text in render_html(document, {})
        assert text in values["osf"].values()
        assert any(text in answer for answer in values["aspredicted"].values())
    assert [name.split()[0] for name in values["aspredicted"]] == [str(number) for number in range(1, 11)]
    assert values["digest"] == plan.digest
    assert values["preregistration"]["hypotheses"][0]["name"] == "H1"


def test_the_command_prints_the_plan_of_an_export_or_a_file(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = read_study(export).plan.digest
    assert main(["plan", str(export)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# A made study\n")
    assert f"plan with SHA-256 {digest}, deposited on ____-__-__." in said
    assert "H2: The other is chosen. Test: choices; direction: less." in said
    assert main(["plan", str(export / "plan.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == digest
    assert main(["plan", str(export), "--html"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert main(["plan", str(export / "nothing.json")]) == 1
    assert "cannot be read" in capsys.readouterr().err
