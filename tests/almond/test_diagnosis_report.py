"""Diagnoses that go on where they were stopped, and their reports."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from almond.diagnosis.check import DiagnosisCheck, Finding
from almond.diagnosis.checks import CHECKS
from almond.diagnosis.diagnose import Diagnosis, diagnose, make_checks
from almond.diagnosis.pictures import diagnosis_pictures
from almond.diagnosis.readers import reader_of
from almond.diagnosis.report import write_diagnosis
from almond.errors import Cancelled, InputError
from almond.progress import Silent
from almond.report.document import Picture, Table
from almond.stimuli.nuisance import NUISANCE
from tests.almond.diagnosed import (
    SMALL,
    honest_diagnosis,
)
from tests.almond.guided_fakes import (
    PROMPTS,
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
def honest() -> Diagnosis:
    return honest_diagnosis()


class Impatient:
    """Stops after so many reports."""

    def __init__(self, after: int) -> None:
        self.left = after

    def report(self, fraction: float, message: str = "") -> None:
        assert 0.0 <= fraction <= 1.0
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stop")


def test_stopped_work_goes_on_at_the_first_missing_picture(tmp_path: Path) -> None:
    guide = reader_of("guide", "guide", Linear(means()), TARGETS)
    generator = Colours()
    few = settings(**{**SMALL, "prompts": PROMPTS[:1], "unguided": 6, "interpolations": 0})
    planned = diagnosis_pictures(few, generator, dict.fromkeys(TARGETS, ""))
    with pytest.raises(Cancelled):
        diagnose(few, generator=generator, readers=[guide], keep=tmp_path, progress=Impatient(9))
    there = {path.stem: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert 0 < len(there) < len(planned)
    diagnose(few, generator=generator, readers=[guide], keep=tmp_path, progress=Silent())
    after = {path.stem: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert set(after) == {picture.recipe.digest for picture in planned}
    assert there.items() <= after.items()
    drawn = generator.decoded
    diagnose(few, generator=generator, readers=[guide], keep=tmp_path, progress=Silent())
    assert generator.decoded == drawn


def test_the_report_holds_every_check_and_every_number(honest: Diagnosis, tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_diagnosis(honest, out)
    result = json.loads((out / "result.json").read_text())
    assert result["format"] == "almond-diagnosis/1"
    assert list(result["checks"]) == sorted(CHECKS.names())
    page = (out / "report.html").read_text()
    for name in CHECKS:
        check = CHECKS.load(name)
        assert check.title in page
        for picture in check.pictures:
            assert isinstance(picture, Picture)
            assert (out / "figures" / f"{picture.name}.svg").is_file()
    table = pd.read_csv(out / "pictures.csv")
    assert len(table) == len(honest.evidence.images)
    assert {*NUISANCE, "other: A", "guide: C"} <= set(table.columns)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        write_diagnosis(honest, tmp_path / "else")


COUNTED = DiagnosisCheck(
    name="counted",
    title="How many pictures are there?",
    limits="Good with any.",
    run=lambda evidence, progress: Finding({"pictures": len(evidence.images)}, "Counted.", "good"),
    tables=lambda numbers: [Table(("pictures",), ((str(numbers["pictures"]),),))],
)
"""A check as a lab would add it: one object, one line in the registry."""


def test_one_line_adds_a_check(honest: Diagnosis) -> None:
    with CHECKS.registered("counted", "tests.almond.test_diagnosis_report:COUNTED"):
        answer = make_checks(honest.evidence, Silent())["counted"]
    assert answer.standing == "good"
    assert answer.finding is not None
    assert answer.finding.numbers == {"pictures": len(honest.evidence.images)}
