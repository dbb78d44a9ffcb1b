"""The verdict of a diagnosis, and what is refused before there is one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from almond.diagnosis.diagnose import Diagnosis, diagnose
from almond.diagnosis.overall import overall_verdict
from almond.diagnosis.readers import reader_of
from almond.diagnosis.report import diagnosis_document
from almond.errors import InputError
from almond.progress import Silent
from almond.report.render import render_html
from almond.shapes import ShapeError
from tests.almond.diagnosed import (
    SMALL,
    diagnosis_of,
    honest_diagnosis,
    pictures_folder,
)
from tests.almond.guided_fakes import (
    TARGETS,
    Colours,
    Linear,
    means,
    settings,
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pictures() -> Path:
    return pictures_folder()


@pytest.fixture(scope="module")
def honest() -> Diagnosis:
    return honest_diagnosis()


def test_without_a_held_out_reader_there_is_no_verdict(pictures: Path) -> None:
    guide = reader_of("guide", "guide", Linear(means()), TARGETS)
    generator = Colours()
    diagnosis = diagnose(
        settings(**SMALL), generator=generator, readers=[guide], keep=pictures, progress=Silent()
    )
    assert diagnosis.overall.verdict == "no verdict"
    assert all("not measured" in reason for reason in diagnosis.overall.reasons)
    assert "nobody held out" in diagnosis.answers["own_judge"].reason
    assert "no feature space" in diagnosis.answers["prompts"].reason
    page = render_html(diagnosis_document(diagnosis).with_figures(()), {})
    assert '<span class="mode no verdict">' in page


def test_the_worst_check_that_decides_decides(honest: Diagnosis) -> None:
    answers = dict(honest.answers)
    others = {name: answer for name, answer in answers.items() if not answer.check.decides}
    assert {name for name in answers if name not in others} == {"own_judge", "dose", "selectivity"}
    for name, standing in (("own_judge", "bad"), ("dose", "doubtful")):
        worse = SimpleNamespace(standing=standing, sentence="", alarm="", numbers={})
        changed: dict[str, Any] = {
            **answers,
            name: SimpleNamespace(
                **{**vars(answers[name]), "finding": worse, "standing": standing, "sentence": ""}
            ),
        }
        assert overall_verdict(changed).verdict == standing


@pytest.mark.parametrize(
    ("judge", "problem"),
    [
        (lambda guide: reader_of("me", "judge", guide, TARGETS), "is the guide itself"),
        (lambda guide: reader_of("me", "judge", Linear(means()), TARGETS, subjects=["01"]), "shares sub-01"),
    ],
)
def test_a_judge_that_guided_is_refused(tmp_path: Path, judge: Any, problem: str) -> None:
    scorer = Linear(means())
    guide = reader_of("guide", "guide", scorer, TARGETS, subjects=["01"])
    with pytest.raises(InputError, match=problem):
        diagnose(
            settings(**SMALL),
            generator=Colours(),
            readers=[guide, judge(scorer)],
            keep=tmp_path,
            progress=Silent(),
        )
    assert not list(tmp_path.iterdir())


def test_scores_that_never_vary_are_refused_by_name(pictures: Path) -> None:
    with pytest.raises(InputError, match="scores of A by other: do not vary over 48 unguided"):
        diagnosis_of(pictures, judge=Linear(0.0 * means()))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompts", ()),
        ("seeds", (1, 1)),
        ("seeds", (-1,)),
        ("strengths", (0.0,)),
        ("window", (0.5, 0.2)),
        ("unguided", 3),
        ("rule", "magic"),
    ],
)
def test_settings_that_cannot_be_are_refused(field: str, value: object) -> None:
    with pytest.raises((ShapeError, ValueError), match=field):
        settings(**{field: value})
