"""The stop rule by precision: written in the plan, computed blind, acted upon, honoured by the analysis."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from almond.analysis.analyse import analyse_export
from almond.analysis.registration.plan_document import plan_texts
from almond.design.plan import StudyPlan
from almond.exchange.manifest import load_manifest
from analysis.models import export_root
from jobs.models import Job
from jobs.services import run_now
from ratings.services.verifying import verify_study
from studies.amendments import PrecisionCheck
from studies.models import Study
from studies.preregistrations import Preregistration
from studies.services import close
from tests.site.small_study import advance, make_matched_set, make_study
from tests.site.test_blind import exported, person, with_recipes

pytestmark = pytest.mark.django_db
UNREHEARSED = "rehearsed before it was opened"
"""The deviation of every study here: tests open theirs with a reason."""


def precise_study(limit: float, then: str = "close", **fields: Any) -> Study:
    """A live study of choices that looks at its precision after every two people."""
    draft = make_study(
        state="draft",
        matched_set=with_recipes(make_matched_set()),
        rating_trials=None,
        choice_trials=None,
        permutations=99,
        **fields,
    )
    Preregistration.objects.create(study=draft, half_width=limit, precision_every=2, precision_then=then)
    return advance(draft, "live")


def run_jobs() -> list[Job]:
    return [run_now(job) for job in Job.objects.filter(kind="analysis.precision").order_by("pk")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("then", "state"), [("close", "closed"), ("pause", "paused"), ("recommend", "live")])
def test_a_study_that_is_precise_enough_ends_as_its_plan_says(
    staff_client: Any, then: str, state: str
) -> None:
    study = precise_study(5.0, then)
    person(study)
    assert not Job.objects.filter(kind="analysis.precision").exists()
    person(study)
    (job,) = run_jobs()
    assert job.state == "done", job.traceback
    row = PrecisionCheck.objects.get()
    assert (row.number, row.finished, row.reached) == (2, 2, True)
    assert 0 < row.half_width <= 0.5
    study.refresh_from_db()
    assert study.state == state
    told = json.dumps(job.result) + str(row.content())
    assert set(job.result or {}) == {"number", "finished", "half_width", "reached"}
    assert "share" not in told
    assert list(verify_study(study)) == []
    assert [path.name for path in export_root().iterdir() if path.name.startswith(".precision")] == []
    page = staff_client.get(reverse("admin:ratings_monitor", args=[study.pk])).content.decode()
    assert "Precision reached with 2 participants" in page
    assert ("recommends closing" in page) == (then == "recommend")


@pytest.mark.django_db(transaction=True)
def test_where_it_is_not_precise_enough_collecting_goes_on(staff_client: Any) -> None:
    study = precise_study(1e-6)
    for _ in range(3):
        person(study)
    (job,) = run_jobs()
    assert job.state == "done", job.traceback
    study.refresh_from_db()
    assert study.is_live
    page = staff_client.get(reverse("admin:ratings_monitor", args=[study.pk])).content.decode()
    assert "Not reached yet" in page
    assert "Looked at again with 4" in page


@pytest.mark.django_db(transaction=True)
def test_an_analysis_of_a_study_that_ended_by_precision_is_no_early_stop() -> None:
    study = precise_study(5.0)
    for _ in range(2):
        person(study)
    run_jobs()
    study.refresh_from_db()
    folder = exported(study).path
    (look,) = load_manifest(folder)["collection"]["precision"]
    assert (look["number"], look["reached"]) == (2, True)
    found = analyse_export(folder).data
    assert [row["what"] for row in found["deviations"]] == [UNREHEARSED]
    assert not [reason for reason in found["reasons"] if "before its stopping rule" in reason]


@pytest.mark.django_db(transaction=True)
def test_an_early_end_without_precision_stays_one() -> None:
    study = precise_study(1e-6)
    for _ in range(2):
        person(study)
    run_jobs()
    close(study=study, by=None)
    found = analyse_export(exported(study).path).data
    assert [row["what"] for row in found["deviations"]] == ["participants", "end of collecting", UNREHEARSED]
    assert any("before its stopping rule was met" in reason for reason in found["reasons"])


def test_the_plan_says_the_rule_and_plans_without_it_stay_as_they_were() -> None:
    plan = precise_study(0.05).frozen_plan
    said = plan_texts(plan)["stopping"]
    test = plan.analysis.primary[0]
    assert f"half the width of the interval of the estimate of “{test}” is at most 0.05" in said
    assert "after every 2 participants" in said
    values = plan.to_json()
    assert values["preregistration"]["stopping"]["precision"]["every"] == 2
    values["preregistration"]["stopping"].pop("precision")
    again = StudyPlan.from_json(values)
    assert "precision" not in again.to_json()["preregistration"]["stopping"]
    assert again.digest != plan.digest


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"half_width": 0.05}, "precision_every"),
        ({"precision_every": 5}, "half_width"),
        ({"half_width": 0.05, "precision_every": 5, "stop_on": "2026-12-24"}, "half_width"),
    ],
)
def test_half_a_rule_is_refused_at_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as error:
        Preregistration(**fields).clean()
    assert set(error.value.message_dict) == {field}


@pytest.mark.parametrize("verb", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_checks_are_written_once(verb: str) -> None:
    study = make_study()
    PrecisionCheck.objects.create(study=study, number=2, finished=2, half_width=0.1, reached=False)
    with (
        pytest.raises(IntegrityError, match="rows are written once"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb.format("studies_precisioncheck"))


def test_an_impossible_check_is_refused() -> None:
    study = make_study()
    with pytest.raises(IntegrityError, match="precision_check_is_possible"), transaction.atomic():
        PrecisionCheck.objects.create(study=study, number=3, finished=2, half_width=0.1, reached=False)
