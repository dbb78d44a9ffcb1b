"""The study pages of the admin: drafts are edited, sealed studies only looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from almond.digest import digest_bytes
from studies.models import Construct, Study
from tests.site.small_study import make_constructs, make_image_set, make_matched_set, make_study

pytestmark = pytest.mark.django_db
State = Study.State


def at(name: str, study: Study) -> str:
    return reverse(f"admin:studies_study_{name}", args=[study.pk])


def study_form(**changes: Any) -> dict[str, Any]:
    constructs = list(Construct.objects.order_by("name")) or make_constructs()
    fields = {
        "title": "From the form",
        "slug": "from-the-form",
        "participants_planned": 4,
        "n_lists": 2,
        "timeout_minutes": 60,
        "joins_per_minute": 60,
        "most_events": 5000,
        "on_withdrawal": "erase",
        "most_attempts": 5000,
        "seed": 1,
        "permutations": 999,
        "consent": "Yes?",
        "debriefing": "Thanks.",
        "blocks-TOTAL_FORMS": 1,
        "blocks-INITIAL_FORMS": 0,
        "blocks-0-order": 1,
        "blocks-0-kind": "rating",
        "blocks-0-name": "ratings",
        "blocks-0-repeats": 0,
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
    staff_client.post(at("open", study))
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
    assert staff_client.post(address, {"name": "other"}).status_code == 403
    after = Study.objects.get()
    assert (after.title, after.plan_digest) == (study.title, study.plan_digest)


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
        ({"completion_code": "a b"}, "Letters, digits and hyphens only."),
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
    assert {trial["kind"] for trial in config["state"]["trials"]} == {"rating", "choice"}
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
