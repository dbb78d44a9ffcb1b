"""New versions and duplicates: everything is taken over, the old study stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from almond.errors import InputError
from studies.models import Exclusion, Hypothesis, Preregistration, Study
from studies.services import close, delete_draft, freeze
from studies.services.copying import counted_slugs, differences, duplicate, new_version
from studies.services.plans import build_plan
from studies.services.rehearsing import rehearse
from tests.site.small_study import make_matched_set, make_study
from tests.site.test_studies_admin import at, study_form

pytestmark = pytest.mark.django_db
State = Study.State


def with_everything() -> Study:
    """A frozen study with a rule, a hypothesis, texts and numbers of its own."""
    study = make_study(state=State.DRAFT)
    Exclusion.objects.create(study=study, rule="speed", parameters={"fastest_ms": 300.0})
    Preregistration.objects.create(study=study, sample_size_reason="As many as there are.")
    Hypothesis.objects.create(
        study=study, name="aligned", test="choices", direction="greater", text="More are aligned."
    )
    Study.objects.filter(pk=study.pk).update(consent="Do you?", retention_days=30)
    study.refresh_from_db()
    return freeze(study=study, by=None)


def test_a_new_version_has_everything_and_names_the_old_one() -> None:
    study = with_everything()
    sealed = study.plan_digest
    draft = new_version(study=study, by=None)
    assert (draft.state, draft.previous, draft.slug) == (State.DRAFT, study, f"{study.slug}-v2")
    assert (draft.title, draft.consent, draft.retention_days) == (study.title, "Do you?", 30)
    # The plan that it would seal is the old one: nothing of it was lost on the way.
    assert build_plan(draft).digest == sealed
    assert differences(draft, build_plan(draft)) == []
    study.refresh_from_db()
    assert study.plan_digest == sealed


def test_what_a_version_changes_is_said_of_its_plan_and_beside_it() -> None:
    draft = new_version(study=with_everything(), by=None)
    draft.participants_planned, draft.retention_days = 12, None
    draft.save()
    draft.exclusions.all().delete()
    said = {change.what: (change.before, change.after) for change in differences(draft, build_plan(draft))}
    assert said.pop("participants")[1] == "12"
    assert said.pop("days kept") == ("30", "")
    assert said.pop("exclusion rule “speed”")[1] == ""
    assert all(what.startswith("preregistration") for what in said)


def test_versions_count_on_and_drafts_and_rehearsals_have_none() -> None:
    study = with_everything()
    second = freeze(study=new_version(study=study, by=None), by=None)
    third = new_version(study=second, by=None)
    assert third.slug == f"{study.slug}-v3"
    with pytest.raises(InputError, match="is a draft: edit it"):
        new_version(study=third, by=None)
    with pytest.raises(InputError, match="is a rehearsal"):
        new_version(study=rehearse(study=study, by=None), by=None)
    delete_draft(study=third, by=None)
    assert new_version(study=close(study=second, by=None), by=None).slug == f"{study.slug}-v3"


def test_a_duplicate_is_a_study_of_its_own() -> None:
    study = with_everything()
    copies = [duplicate(study=study, by=None) for _ in range(2)]
    assert [row.slug for row in copies] == [f"{study.slug}-copy", f"{study.slug}-copy-2"]
    assert all(row.previous is None and row.title.endswith(" (copy)") for row in copies)
    assert duplicate(study=copies[0], by=None).is_draft


def test_slugs_of_copies_fit_their_field() -> None:
    slugs = counted_slugs("x" * 80, "-v", start=2)
    assert [next(slugs), next(slugs)] == ["x" * 77 + "-v2", "x" * 77 + "-v3"]


def test_from_a_closed_study_to_its_next_version_by_the_pages(staff_client: Any) -> None:
    study = close(study=with_everything(), by=None)
    page = staff_client.get(at("change", study)).content.decode()
    assert "New version" in page
    answer = staff_client.post(at("new_version", study), follow=True)
    draft = Study.objects.get(previous=study)
    page = answer.content.decode()
    assert f"/{draft.pk}/" in answer.redirect_chain[-1][0]
    assert "Nothing differs from it yet." in page
    assert "A later version" in staff_client.get(at("change", study)).content.decode()
    Study.objects.filter(pk=draft.pk).update(seed=77)
    page = staff_client.get(at("change", draft)).content.decode()
    assert "What this version changes" in page
    assert "<td>seed</td>" in page


def test_everything_in_the_way_of_freezing_is_said_at_once_with_its_field(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT, matched_set=make_matched_set(frozen=False))
    Study.objects.filter(pk=study.pk).update(unmatched_reason="")
    for block in study.blocks.filter(kind="choice"):
        block.constructs.clear()
    page = staff_client.get(at("change", study))
    found = page.context["obstacles"]
    assert [one.field for one in found] == ["id_matched_set", "id_blocks-1-kind", "id_matched_set"]
    text = page.content.decode()
    assert "3 things are in the way" in text
    assert all(f'id="{one.field}"' in text for one in found)


def test_contradictions_inside_a_plan_lead_to_their_fields(staff_client: Any) -> None:
    study = make_study(state=State.DRAFT)
    study.blocks.filter(kind="rating").update(trials=999)
    found = staff_client.get(at("change", study)).context["obstacles"]
    assert found
    assert {one.field for one in found} == {"id_blocks-0-trials"}
    assert all(one.words.startswith("block “ratings”, trials: ") for one in found)


def test_blocks_without_a_place_come_after_the_others(staff_client: Any) -> None:
    fields = study_form(matched_set=make_matched_set("own").pk, **{"blocks-TOTAL_FORMS": 3})
    constructs = fields["blocks-0-constructs"]
    for number, name in ((1, "more"), (2, "first")):
        fields |= {
            f"blocks-{number}-order": {"more": "", "first": 5}[name],
            f"blocks-{number}-kind": "rating",
            f"blocks-{number}-name": name,
            f"blocks-{number}-repeats": 0,
            f"blocks-{number}-asked_of": "all",
            f"blocks-{number}-constructs": constructs,
        }
    added = staff_client.post(reverse("admin:studies_study_add"), fields)
    assert added.status_code == 302, added.context["errors"]
    orders = dict(Study.objects.get().blocks.values_list("name", "order"))
    assert orders == {"ratings": 1, "first": 5, "more": 6}
