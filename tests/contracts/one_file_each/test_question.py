"""A statistical question is one module and one line of a registry: it runs, is reported and planned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from almond.analysis.analyse import AnalysisResult, analyse_export
from almond.analysis.questions.base import Context, NotApplicable, Question, Result, load_questions
from almond.analysis.report import write_report
from almond.design.plan import StudyPlan
from almond.design.questions import DESCRIPTIONS, QUESTIONS
from almond.progress import Progress
from almond.report.document import KeyNumber, Picture, Section
from almond.report.figures_style import new_figure
from tests.almond.design_plans import full_plan
from tests.almond.export_maker import make_export


def run_speed(context: Context, progress: Progress) -> dict[str, Any]:
    if not len(context.data.choices):
        raise NotApplicable("nobody chose")
    return {"seconds": context.sample.choices["rt_ms"].mean() / 1000, "p": np.float64(0.025)}


def speed_figure(_: Result) -> dict[str, Figure]:
    figure = new_figure(1.0)
    figure.add_subplot().plot([0, 1])
    return {"speed": figure}


QUESTION = Question(
    name="speed",
    title="How fast are choices?",
    order=5,
    work=0.01,
    run=run_speed,
    section=lambda title, result: Section(
        title, (f"{result['seconds']:.1f} s.",), (Picture("speed", "A line."),)
    ),
    methods=lambda settings: f"Speed: a made-up test with seed {settings['seed']}.",
    figures=speed_figure,
    p=lambda result: float(result["p"]),
    headline=lambda result, alpha: "Choices were fast." if result["p"] <= alpha else "Choices were slow.",
    key_number=lambda result: KeyNumber("speed", f"{result['seconds']:.1f} s", "mean"),
)


@pytest.fixture
def registered() -> Iterator[None]:
    with QUESTIONS.registered("speed", f"{__name__}:QUESTION"):
        yield


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_export(tmp_path_factory.mktemp("study") / "export", participants=6, scenes=4, permutations=19)


@pytest.fixture
def result(registered: None, export: Path) -> AnalysisResult:
    return analyse_export(export)


def test_an_invented_question_runs_and_is_tested(result: AnalysisResult) -> None:
    assert result.data["speed"]["p"] == 0.025
    assert result.data["speed"]["seconds"] > 0
    row = next(row for row in result.data["tests"] if row["test"] == "speed")
    assert row["below_alpha"]
    assert (row["primary"], row["status"]) == (False, "exploratory")


def test_an_invented_question_is_reported(result: AnalysisResult, tmp_path: Path) -> None:
    folder = write_report(result, tmp_path / "report").parent
    for name in ("report.html", "body.html", "report.md"):
        text = (folder / name).read_text(encoding="utf-8")
        for words in ("Choices were fast.", "How fast are choices?", "a made-up test with seed 7"):
            assert words in text, (name, words)
        # The first page names the questions of the plan; the sections come in their own order.
        assert text.rindex("How fast are choices?") < text.rindex("Do rating profiles identify")
    assert (folder / "figures" / "speed.svg").is_file()
    assert json.loads((folder / "result.json").read_bytes())["speed"]["p"] == 0.025


def test_an_invented_question_that_lacks_its_data_says_so(registered: None, tmp_path: Path) -> None:
    folder = make_export(tmp_path / "export", participants=4, scenes=6, permutations=19, natural=True)
    assert {"analysis": "speed", "reason": "nobody chose"} in analyse_export(folder).data["not_run"]


def test_an_invented_question_may_be_primary(registered: None) -> None:
    plan = full_plan().to_json()
    plan["analysis"]["primary"] = ["speed"]
    assert StudyPlan.from_json(plan).analysis.primary == ("speed",)


def test_questions_with_a_test_have_a_p_and_descriptions_have_none() -> None:
    assert [question.name for question in load_questions()] == [*QUESTIONS.names(), *DESCRIPTIONS.names()]
    assert all(question.p for question in QUESTIONS.entries().values())
    assert not any(question.p for question in DESCRIPTIONS.entries().values())
    orders = [question.order for question in load_questions()]
    assert len(set(orders)) == len(orders)


def test_result_is_plain(result: AnalysisResult) -> None:
    json.dumps(result.data, allow_nan=False)
