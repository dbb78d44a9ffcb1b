"""An exclusion rule is one module and one line: plans read it, forms offer it, analyses apply it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from django.urls import reverse
from pydantic import Field

from almond.analysis.analyse import analyse_export
from almond.analysis.document import study_document
from almond.design.exclusions import EXCLUSIONS
from almond.design.exclusions.base import BlindTables, ExclusionRule, Judged, over
from almond.report.render import render_markdown
from almond.shapes import Whole
from studies.models import Exclusion
from tests.almond.export_maker import make_export
from tests.almond.screened_export import plan_rules


class EndsOfScale(ExclusionRule):
    """Left out: who used the ends of the scale more than ``most`` times."""

    kind: Literal["ends"] = "ends"
    most: Annotated[Whole, Field(ge=0)] = Field(9, title="most ends", description="Ratings of 0 or 100.")

    def words(self) -> str:
        return f"Ends: participants with more than {self.most} ratings at an end of the scale."

    def judge(self, tables: BlindTables) -> Judged:
        ends = tables.ratings["value"].isin([0, 100]).groupby(tables.ratings["participant_id"]).sum()
        return over(ends.to_dict(), tables.people, self.most, lambda count: f"{count:.0f} at the ends")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with EXCLUSIONS.registered("ends", f"{__name__}:EndsOfScale", "ends of the scale: used too often"):
        yield


def test_a_plan_reads_it_and_an_analysis_applies_it(tmp_path: Path) -> None:
    folder = make_export(tmp_path / "export", participants=5, scenes=6, permutations=19, participant_sd=1.5)
    plan_rules(folder, {"kind": "ends", "most": 3})
    found = analyse_export(folder).data
    caught = found["sample"]["excluded"]
    assert 0 < len(caught) < 5
    assert {row["rule"] for row in caught} == {"ends"}
    assert found["sample"]["analysed"] == 5 - len(caught)
    assert {row["rules"] for row in found["robustness"]} == {"all", "none"}
    text = render_markdown(study_document(found))
    assert "more than 3 ratings at an end of the scale" in text
    assert f"| {caught[0]['participant_id']} | ends of the scale |" in text


@pytest.mark.django_db
def test_the_form_of_a_study_offers_it_with_its_parameter(staff_client: Any) -> None:
    page = staff_client.get(reverse("admin:studies_study_add")).content.decode()
    assert '<option value="ends">ends of the scale: used too often</option>' in page
    assert 'name="exclusions-__prefix__-ends_most" value="9"' in page
    row = Exclusion(rule="ends", parameters={"most": 3})
    assert row.planned() == EndsOfScale(most=3)
    assert row.get_rule_display() == "ends of the scale: used too often"
