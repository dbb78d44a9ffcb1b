"""Arms and orders of blocks: from the form to the lists, the participants' rows and the export."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pytest
from django.urls import reverse

from almond.errors import InputError
from almond.evidence.verify import first_broken, verify
from almond.exchange.layout import table_path
from analysis import services as analysis_services
from jobs.models import State
from jobs.services import run_now
from ratings.models import Participant
from ratings.services import join
from studies import services
from studies.models import Arm, Study
from studies.services import BlockSpec
from studies.services.copying import duplicate
from studies.services.plans import build_plan
from tests.site.small_study import advance, make_constructs, make_matched_set, with_recipes
from tests.site.test_analysis import answer_all
from tests.site.test_studies_admin import study_form

pytestmark = pytest.mark.django_db


def make_draft(**fields: Any) -> Study:
    """A draft of two arms: two thirds rate, one third choose."""
    constructs = make_constructs()
    settings: dict[str, Any] = {
        "title": "Arms",
        "slug": "arms",
        "participants_planned": 9,
        "n_lists": 3,
        "permutations": 99,
        "unmatched_reason": "Of a test.",
    }
    study = services.create_study(
        **{**settings, **fields},
        matched_set=with_recipes(make_matched_set("arms")),
        blocks=[
            BlockSpec("rating", "ratings", constructs, arms="rate", most_of_scene=2, trials=6),
            BlockSpec("choice", "choices", constructs, arms="choose , ", asked_of="own"),
        ],
        by=None,
    )
    Arm.objects.create(study=study, name="rate", weight=2)
    Arm.objects.create(study=study, name="choose")
    return study


def test_people_come_into_arms_by_weight_and_the_export_says_so() -> None:
    study = advance(make_draft(), "live")
    assert list(study.lists.values_list("arm", flat=True)) == ["rate", "choose", "rate"]
    answer_all(study, 9)
    kinds = Counter(
        tuple(sorted(set(person.trials.values_list("kind", flat=True))))
        for person in Participant.objects.all()
    )
    assert kinds == {("rating",): 6, ("choice",): 3}
    export = analysis_services.request_export(study=services.close(study=study, by=None), by=None)
    assert export.job is not None
    assert run_now(export.job).state == State.DONE
    export.refresh_from_db()
    assert first_broken(verify(export.path)) is None
    people = pd.read_csv(table_path(export.path, "participants"))
    assert Counter(people["arm"]) == {"rate": 6, "choose": 3}
    assert (people["trials_done"] == people["trials_planned"]).all()


def test_fewer_lists_than_arms_are_refused_and_the_page_still_opens(staff_client: Any) -> None:
    study = make_draft(n_lists=1)
    with pytest.raises(InputError, match="1 for 2 arms"):
        services.freeze(study=study, by=None)
    assert staff_client.get(reverse("admin:studies_study_change", args=[study.pk])).status_code == 200


def test_a_block_of_an_arm_that_is_none_is_in_the_way() -> None:
    study = make_draft()
    Arm.objects.filter(name="choose").update(name="other")
    with pytest.raises(InputError, match="'choose' is no arm of the plan"):
        build_plan(study)


def test_a_copy_has_the_same_arms() -> None:
    study = make_draft(block_order="latin_square")
    copied = duplicate(study=study, by=None)
    assert build_plan(copied).arms == build_plan(study).arms
    assert build_plan(copied).block_order == "latin_square"


def test_arms_are_made_in_the_form_and_shown_with_their_exposure(staff_client: Any) -> None:
    fields = study_form(
        matched_set=make_matched_set("form").pk,
        unmatched_reason="Of a test.",
        block_order="latin_square",
        **{"arms-TOTAL_FORMS": 2, "arms-0-name": "one", "arms-0-weight": 3, "arms-1-name": "two"},
        **{"arms-1-weight": 1, "blocks-0-arms": "one, two", "blocks-0-most_of_scene": ""},
    )
    added = staff_client.post(reverse("admin:studies_study_add"), fields)
    assert added.status_code == 302, added.context["errors"]
    study = Study.objects.get()
    assert list(study.arms.values_list("name", "weight")) == [("one", 3), ("two", 1)]
    page = staff_client.get(reverse("admin:studies_study_change", args=[study.pk])).content.decode()
    assert "How often everything will be shown" in page
    assert "<td>one</td>" in page


def test_exposures_on_the_page_are_those_of_the_lists() -> None:
    from studies.admin.flow import planned_exposures

    study = advance(make_draft(participants_planned=10, n_lists=4), "live")
    shown: Counter[str] = Counter()
    for row in study.lists.all():
        for trial in row.trials:
            shown[f"{trial['block']} {trial['stimulus'] or trial['pair']}"] += row.capacity
    for exposure in planned_exposures(study, study.frozen_plan):
        times = [count for name, count in shown.items() if name.startswith(exposure.block)]
        assert len(times) <= exposure.shown
        assert exposure.least <= min(times)
        assert max(times) <= exposure.most


def test_joining_fills_arms_evenly_before_everybody_came() -> None:
    study = advance(make_draft(), "live")
    for _ in range(6):
        join(study=study)
    arms = Counter(Participant.objects.values_list("assignment__arm", flat=True))
    assert arms == {"rate": 4, "choose": 2}
