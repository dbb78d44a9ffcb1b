"""The study pages of the admin: drafts are edited, sealed studies only looked at."""

from __future__ import annotations

import html
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import User
from almond.analysis.registration.plan_document import plan_texts
from almond.design.criteria.smallest_effect import SmallestEffect
from almond.design.preregistration import Precision
from almond.digest import digest_bytes
from benchmarks.visits import unpacked
from ratings.services import finish, join
from studies.admin.figures import LEAST_MEASURED
from studies.models import Construct, Hypothesis, Preregistration, Study
from studies.services import BlockSpec, create_study, freeze
from studies.services.rehearsing import rehearse
from tests.site.recruited_study import recruit_by
from tests.site.small_study import answer_all, make_constructs, make_image_set, make_matched_set, make_study

pytestmark = pytest.mark.django_db
State = Study.State


def at(name: str, study: Study) -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def study_form(**changes: Any) -> dict[str, Any]:
    constructs = list(Construct.objects.order_by("name")) or make_constructs()
    fields = {
        "title": "From the form",
        "slug": "from-the-form",
        "language": "en",
        "unmatched_reason": "Pairs of a test, made without matching.",
        "participants_planned": 4,
        "n_lists": 2,
        "timeout_minutes": 60,
        "joins_per_minute": 60,
        "most_events": 5000,
        "on_withdrawal": "erase",
        "most_attempts": 5000,
        "seed": 1,
        "permutations": 999,
        "block_order": "fixed",
        "consent": "Yes?",
        "debriefing": "Thanks.",
        "arms-TOTAL_FORMS": 0,
        "arms-INITIAL_FORMS": 0,
        "information-TOTAL_FORMS": 0,
        "information-INITIAL_FORMS": 0,
        "hypotheses-TOTAL_FORMS": 0,
        "hypotheses-INITIAL_FORMS": 0,
        "exclusions-TOTAL_FORMS": 0,
        "exclusions-INITIAL_FORMS": 0,
        "preregistration-TOTAL_FORMS": 0,
        "preregistration-INITIAL_FORMS": 0,
        "blocks-TOTAL_FORMS": 1,
        "blocks-INITIAL_FORMS": 0,
        "blocks-0-order": 1,
        "blocks-0-kind": "rating",
        "blocks-0-name": "ratings",
        "blocks-0-repeats": 0,
        "blocks-0-asked_of": "all",
        "blocks-0-constructs": [row.pk for row in constructs],
    }
    return {**fields, **changes}


def test_too_few_themes_are_said_before_and_at_freezing(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT)
    page = staff_client.get(at("change", study)).content.decode()
    assert "Before it is frozen: The test “classification” has 3 themes, and needs 6" in page
    assert "3 themes</div>" in page
    frozen = staff_client.post(at("freeze", study), follow=True)
    said = [str(message) for message in frozen.context["messages"]]
    assert any("The test “choices” has 3 themes, and needs 6" in text for text in said)
    assert "Before it is frozen" not in frozen.content.decode()


def test_a_study_with_enough_themes_is_not_warned(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT, matched_set=make_matched_set(scenes=6))
    page = staff_client.get(at("change", study)).content.decode()
    assert "themes, and needs" not in page
    assert "6 themes</div>" in page


def test_from_the_form_to_a_live_study(staff_client: Any) -> None:
    matched = make_matched_set()
    added = staff_client.post(reverse("admin:studies_study_add"), study_form(matched_set=matched.pk))
    assert added.status_code == 302, added.context["errors"]
    study = Study.objects.get()
    assert study.blocks.get().constructs.count() == 2
    page = staff_client.get(at("change", study)).content.decode()
    assert "What a participant goes through" in page
    assert 'name="_save"' in page
    staff_client.post(at("freeze", study))
    staff_client.post(at("open", study), {"reason": "Tried by hand."})
    study.refresh_from_db()
    assert study.state == State.LIVE
    page = staff_client.get(at("change", study)).content.decode()
    assert study.plan_digest in page
    assert f"http://testserver{study.join_path}" in page
    assert 'name="_save"' not in page


def test_an_edit_of_a_draft_is_kept(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT)
    first, second = study.blocks.all()
    changes = {"title": "Better", "slug": study.slug, "blocks-TOTAL_FORMS": 2, "blocks-INITIAL_FORMS": 2}
    for number, block in enumerate((first, second)):
        changes |= {
            f"blocks-{number}-id": block.pk,
            f"blocks-{number}-study": study.pk,
            f"blocks-{number}-order": block.order,
            f"blocks-{number}-kind": block.kind,
            f"blocks-{number}-name": block.name,
            f"blocks-{number}-trials": 2,
            f"blocks-{number}-repeats": 0,
            f"blocks-{number}-asked_of": "own",
            f"blocks-{number}-constructs": [row.pk for row in block.constructs.all()],
        }
    saved = staff_client.post(at("change", study), study_form(**changes))
    assert saved.status_code == 302
    study.refresh_from_db()
    assert study.title == "Better"
    assert [block.trials for block in study.blocks.all()] == [2, 2]


@pytest.mark.parametrize("state", [State.FROZEN, State.LIVE, State.PAUSED, State.CLOSED])
def test_nothing_is_editable_after_the_freeze(staff_client: Any, state: str) -> None:
    study = make_study(state=state)
    assert staff_client.post(at("change", study), study_form()).status_code == 403
    assert staff_client.post(at("delete", study), {"post": "yes"}).status_code == 403
    construct = Construct.objects.get(name="threat")
    address = reverse("admin:studies_construct_change", args=[construct.pk])
    staff_client.post(address, {"name": "other", "texts-TOTAL_FORMS": 0, "texts-INITIAL_FORMS": 0})
    construct.refresh_from_db()
    assert construct.name == "threat"
    after = Study.objects.get()
    assert (after.title, after.plan_digest) == (study.title, study.plan_digest)


def inlines_of(page: Any) -> list[str]:
    return [inline.formset.prefix for inline in page.context["inline_admin_formsets"]]


def test_a_frozen_study_has_no_headings_over_nothing(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT)
    everything = [
        *("blocks", "arms", "information", "hypotheses", "exclusions", "preregistration"),
        *("recruiting", "end_pages"),
    ]
    assert inlines_of(staff_client.get(at("change", study))) == everything
    study.hypotheses.create(name="H1", text="It is so.", test="classification")
    freeze(study=study, by=None)
    page = staff_client.get(at("change", study))
    assert inlines_of(page) == ["blocks", "hypotheses"]
    assert "preregistration-heading" not in page.content.decode()


def test_who_may_not_add_rows_to_a_draft_sees_no_headings_over_nothing(client: Any) -> None:
    reader = User.objects.create_user("reader", "r@example.org", "a long enough password", is_staff=True)
    for name in ("study", "block", "hypothesis", "preregistration", "exclusion"):
        reader.user_permissions.add(Permission.objects.get(codename=f"view_{name}"))
    client.force_login(reader)
    assert inlines_of(client.get(at("change", make_study(state=State.DRAFT)))) == ["blocks"]


def test_a_study_has_one_preregistration_and_none_is_offered_beside_it(staff_client: Any) -> None:
    for address in (reverse("admin:studies_study_add"), at("change", make_study(state=State.DRAFT))):
        page = staff_client.get(address)
        (inline,) = (
            each for each in page.context["inline_admin_formsets"] if each.formset.prefix == "preregistration"
        )
        assert (inline.formset.total_form_count(), inline.formset.max_num) == (1, 1)
    fields = study_form(matched_set=make_matched_set("other").pk, **{"preregistration-TOTAL_FORMS": 1})
    fields |= {"preregistration-0-correction": "holm", "preregistration-0-precision_then": "close"}
    assert staff_client.post(reverse("admin:studies_study_add"), fields).status_code == 302
    assert not Preregistration.objects.exists()


def test_a_draft_can_be_deleted(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT)
    staff_client.post(at("delete", study), {"post": "yes"})
    assert not Study.objects.exists()


def test_what_is_in_the_way_of_freezing_is_said(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT, matched_set=make_matched_set(frozen=False))
    page = staff_client.get(at("change", study)).content.decode()
    assert "Not ready to freeze" in page
    assert "is still a draft" in page
    refused = staff_client.post(at("freeze", study), follow=True)
    assert "is still a draft" in refused.content.decode()
    study.refresh_from_db()
    assert study.state == State.DRAFT


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_lists": 5}, "There cannot be more lists than participants."),
        ({"seed": 2**53}, "less than or equal to"),
        ({"timeout_minutes": 1}, "greater than or equal to 5"),
        (
            {
                "end_pages-TOTAL_FORMS": 1,
                "end_pages-INITIAL_FORMS": 0,
                "end_pages-0-outcome": "finished",
                "end_pages-0-code": "a b",
            },
            "Letters, digits and hyphens only.",
        ),
        ({"blocks-0-kind": "choice", "blocks-0-repeats": 1}, "Blocks of kind “choice” repeat no images."),
        ({"title": ""}, "This field is required."),
    ],
)
def test_wrong_fields_are_named_in_the_form(staff_client: Any, changes: dict[str, Any], message: str) -> None:
    page = staff_client.post(reverse("admin:studies_study_add"), study_form(**changes))
    assert page.status_code == 200
    assert message in page.content.decode()
    assert not Study.objects.exists()


def test_two_sources_of_images_are_one_too_many(staff_client: Any) -> None:
    both = {"matched_set": make_matched_set().pk, "image_set": make_image_set().pk}
    page = staff_client.post(reverse("admin:studies_study_add"), study_form(**both))
    assert "Choose a matched set or an image set, not both." in page.content.decode()


def test_the_plan_is_downloaded_byte_for_byte(staff_client: Any) -> None:
    study = make_study(state=State.FROZEN)
    answer = staff_client.get(at("plan", study))
    assert digest_bytes(answer.content) == study.plan_digest
    empty = Study.objects.create(title="Empty", slug="empty")
    assert staff_client.get(at("plan", empty)).status_code == 409


@pytest.mark.parametrize("state", [State.DRAFT, State.LIVE])
def test_the_preview_shows_trials_of_each_block_and_stores_nothing(staff_client: Any, state: str) -> None:
    study = make_study(state=state)
    page = staff_client.get(at("preview", study))
    config = page.context["config"]
    assert config["preview"]
    assert {trial["kind"] for trial in unpacked(config["state"])["trials"]} == {"rating", "choice"}
    assert json.dumps(config)
    assert study.participants.count() == 0
    empty = Study.objects.create(title="Empty", slug="empty")
    assert staff_client.get(at("preview", empty)).status_code == 302


def test_only_who_may_sees_and_acts(client: Any) -> None:
    study = make_study(state=State.FROZEN)
    looker = User.objects.create_user("looker", password="a long enough password", is_staff=True)
    client.force_login(looker)
    for name in ("change", "preview", "plan"):
        assert client.get(at(name, study)).status_code == 403
    looker.user_permissions.add(Permission.objects.get(codename="view_study"))
    page = client.get(at("change", study))
    assert page.status_code == 200
    assert at("open", study) not in page.content.decode()
    assert client.post(at("open", study)).status_code == 403
    client.logout()
    assert client.get(at("preview", study)).status_code == 302


def test_deeds_are_never_done_by_get(staff_client: Any) -> None:
    study = make_study(state=State.FROZEN)
    for name in ("freeze", "open", "pause", "close"):
        assert staff_client.get(at(name, study)).status_code == 405
    study.refresh_from_db()
    assert study.state == State.FROZEN


def test_lists_of_rows_show(staff_client: Any) -> None:
    make_study()
    for model in ("study", "construct"):
        assert staff_client.get(reverse(f"admin:studies_{model}_changelist")).status_code == 200
    assert staff_client.get(reverse("admin:studies_study_add")).status_code == 200
    assert staff_client.get(reverse("admin:studies_construct_add")).status_code == 200


HYPOTHESIS = {
    "hypotheses-TOTAL_FORMS": 1,
    "hypotheses-0-name": "H1",
    "hypotheses-0-text": "Scenes guided up look more threatening.",
    "hypotheses-0-test": "choices",
    "hypotheses-0-direction": "greater",
    "hypotheses-0-target": "LB",
    "hypotheses-0-criterion": "smallest_effect",
    "hypotheses-0-parameter": "0.1",
    "preregistration-TOTAL_FORMS": 1,
    "preregistration-0-sample_size_reason": "Power of .9 for a share of .6.",
    "preregistration-0-looks": "2, 3",
    "preregistration-0-correction": "none",
    "preregistration-0-half_width": "0.05",
    "preregistration-0-precision_every": "3",
    "preregistration-0-precision_then": "pause",
}


def test_the_preregistration_is_written_in_the_form_shown_and_sealed(staff_client: Any) -> None:
    fields = study_form(matched_set=make_matched_set().pk, **HYPOTHESIS)
    added = staff_client.post(reverse("admin:studies_study_add"), fields)
    assert added.status_code == 302, added.context["errors"]
    study = Study.objects.get()
    page = staff_client.get(at("change", study)).content.decode()
    assert "Freezing seals this" in page
    for text in ("Scenes guided up look more threatening.", "Power of .9", "counterbalanced lists of trials"):
        assert text in page
    staff_client.post(at("freeze", study))
    study.refresh_from_db()
    stated = study.frozen_plan.preregistration
    assert stated is not None
    (hypothesis,) = stated.hypotheses
    assert (hypothesis.target, hypothesis.direction) == ("LB", "greater")
    assert hypothesis.criterion == SmallestEffect(smallest=0.1)
    assert stated.stopping.looks == (2, 3)
    assert stated.stopping.precision == Precision(half_width=0.05, every=3, then="pause")
    assert stated.correction == "none"
    assert stated.existing_data.startswith("Registration prior to creation of data")
    page = staff_client.get(at("change", study)).content.decode()
    assert f"plan with SHA-256 {study.plan_digest}, deposited on" in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hypotheses-0-parameter": ""}, "criterion.smallest: is missing"),
        ({"hypotheses-0-parameter": "-1"}, "criterion.smallest: is -1.0, not a number above 0"),
        (
            {"hypotheses-0-criterion": "significance"},
            "criterion.parameter: unknown setting",
        ),
        (
            {"hypotheses-0-test": "classification", "hypotheses-0-direction": "less"},
            "but classification can only show greater",
        ),
        ({"preregistration-0-looks": "3, 2"}, "whole numbers that rise"),
        ({"preregistration-0-looks": "half"}, "whole numbers that rise"),
    ],
)
def test_a_wrong_preregistration_is_named_in_the_form(
    staff_client: Any, changes: dict[str, Any], message: str
) -> None:
    fields = study_form(**{**HYPOTHESIS, **changes})
    page = staff_client.post(reverse("admin:studies_study_add"), fields)
    assert page.status_code == 200
    assert message in html.unescape(page.content.decode())
    assert not Study.objects.exists()


def test_a_hypothesis_of_no_difference_goes_with_equivalence(staff_client: Any) -> None:
    fields = {**study_form(matched_set=make_matched_set().pk, **HYPOTHESIS), "hypotheses-0-direction": "none"}
    page = staff_client.post(reverse("admin:studies_study_add"), fields)
    said = "is 'none', but the criterion smallest_effect judges greater or less or either"
    assert said in html.unescape(page.content.decode())
    fields["hypotheses-0-criterion"] = "equivalence"
    assert staff_client.post(reverse("admin:studies_study_add"), fields).status_code == 302
    study = Study.objects.get()
    assert "no difference as large as" in staff_client.get(at("change", study)).content.decode()
    stated = freeze(study=study, by=None).frozen_plan.preregistration
    assert stated is not None
    assert stated.hypotheses[0].direction == "none"
    assert stated.hypotheses[0].criterion.smallest_of_interest == 0.1


def test_a_hypothesis_about_no_target_of_the_study_is_in_the_way_of_freezing(staff_client: Any) -> None:
    fields = study_form(matched_set=make_matched_set().pk, **HYPOTHESIS)
    staff_client.post(reverse("admin:studies_study_add"), {**fields, "hypotheses-0-target": "XX"})
    page = staff_client.get(at("change", Study.objects.get())).content.decode()
    assert "&#x27;XX&#x27; is not a target of the plan" in page


def test_both_templates_fill_every_field_that_follows_from_the_design() -> None:
    pairs = make_study(state=State.FROZEN).frozen_plan
    photographs = create_study(
        title="Photographs",
        slug="photographs",
        image_set=make_image_set(),
        blocks=[BlockSpec("rating", "ratings", list(Construct.objects.all()))],
        participants_planned=4,
        n_lists=2,
        by=None,
    )
    natural = freeze(study=photographs, by=None).frozen_plan
    open_fields = {"additional_blinding", "existing_data_explained", "sample_size_reason", "other"}
    for plan, tests in ((pairs, ["classification", "choices"]), (natural, ["natural"])):
        texts = plan_texts(plan)
        assert {name for name, text in texts.items() if not text} == open_fields
        assert plan.preregistration is not None
        assert [row.test for row in plan.preregistration.hypotheses] == tests
    assert "LB" in plan_texts(pairs)["manipulated"]
    assert plan_texts(natural)["manipulated"].startswith("None; 4 natural images")


def test_a_rehearsal_has_the_preregistration_of_its_study(staff_client: Any) -> None:
    fields = study_form(matched_set=make_matched_set().pk, **HYPOTHESIS)
    staff_client.post(reverse("admin:studies_study_add"), fields)
    study = freeze(study=Study.objects.get(), by=None)
    copy = rehearse(study=study, by=None)
    assert copy.frozen_plan.preregistration == study.frozen_plan.preregistration
    assert study.hypotheses.count() == copy.hypotheses.count() == 1


def test_the_database_refuses_what_no_form_sends() -> None:
    study = make_study(state=State.DRAFT)
    fields = {"study": study, "name": "H1", "text": "x", "test": "choices"}
    Hypothesis.objects.create(**fields)
    for name, changes in (
        ("hypothesis_named_once_per_study", {}),
        ("hypothesis_direction_is_known", {"name": "H2", "direction": "up"}),
        ("hypothesis_has_test_and_criterion", {"name": "H2", "test": ""}),
    ):
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            Hypothesis.objects.create(**{**fields, **changes})
        assert name in str(refused.value) or "UNIQUE" in str(refused.value)
    with pytest.raises(IntegrityError, match="preregistered_correction_is_known"), transaction.atomic():
        Preregistration.objects.create(study=study, correction="bonf")


def test_minutes_and_pay_are_those_planned_until_enough_people_were_measured(staff_client: Any) -> None:
    study = recruit_by(make_study(), pay={"finished": "2"})
    plain = " ".join(staff_client.get(at("change", study)).content.decode().split())
    assert "7</b>trials, about 1 min" in plain
    assert "<b>2.00 GBP</b>a visit, 120.00 an hour" in plain
    for number in range(LEAST_MEASURED):
        person = join(study=study).participant
        answer_all(person)
        finish(participant=person)
        ended = person.consented_at + timedelta(minutes=4 + number)
        type(person).objects.filter(pk=person.pk).update(finished_at=ended)
        shown = staff_client.get(at("change", study)).content.decode()
        assert ("median of" in shown) == (number == LEAST_MEASURED - 1)
    assert "6 min (median of 5; 1 planned)" in shown
    assert "<b>2.00 GBP</b>a visit, 20.00 an hour" in shown
