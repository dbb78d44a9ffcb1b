"""A criterion for hypotheses is one module and one line: plans read it, forms offer it, verdicts obey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from django.urls import reverse
from pydantic import Field

from almond.analysis.analyse import analyse_export
from almond.analysis.registration.plan_document import plan_texts
from almond.analysis.study_data import read_study
from almond.design.criteria import CRITERIA
from almond.design.criteria.base import Criterion, Direction, Evidence, Verdict
from almond.design.plan import StudyPlan
from almond.digest import canonical_json
from almond.shapes import Number
from studies.models import Hypothesis
from tests.almond.export_maker import make_export, reseal


class MostOf(Criterion):
    """Corroborated by an effect above a bound, whatever its p value."""

    kind: Literal["bound"] = "bound"
    bound: Annotated[Number, Field(ge=0)]

    def judge(self, direction: Direction, evidence: Evidence) -> Verdict:
        above = evidence.effect is not None and evidence.effect > self.bound
        return Verdict("corroborated" if above else "falsified", f"the effect is {evidence.effect}")

    def words(self, direction: Direction, alpha: float) -> str:
        return f"Corroborated by an effect above {self.bound:g}."


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with CRITERIA.registered("bound", f"{__name__}:MostOf", "an effect above a bound"):
        yield


def test_a_plan_reads_it_and_its_verdict_stands_in_the_result(tmp_path: Path) -> None:
    folder = make_export(tmp_path / "export", participants=4, scenes=4, permutations=19, choice_effect=2.0)
    told = {"text": "Up is chosen.", "test": "choices", "direction": "greater"}
    hypotheses = [
        {**told, "name": f"H{number}", "criterion": {"kind": "bound", "bound": bound}}
        for number, bound in enumerate((0.05, 0.49))
    ]
    own = read_study(folder).plan.to_json()
    plan = StudyPlan.from_json({**own, "preregistration": {"hypotheses": hypotheses}})
    assert "Corroborated by an effect above 0.49." in plan_texts(plan)["hypotheses"]
    (folder / "plan.json").write_bytes(canonical_json(plan.to_json()))
    reseal(folder)
    verdicts = [row["verdict"] for row in analyse_export(folder).data["verdicts"]]
    assert verdicts == ["corroborated", "falsified"]


@pytest.mark.django_db
def test_the_form_of_a_study_offers_it(staff_client: Any) -> None:
    page = staff_client.get(reverse("admin:studies_study_add")).content.decode()
    assert '<option value="bound">an effect above a bound</option>' in page
    row = Hypothesis(name="H1", text="x", test="choices", criterion="bound", parameter=0.2)
    row.clean()
    assert row.to_json()["criterion"] == {"kind": "bound", "bound": 0.2}
