"""Designs as files and templates: read back as they were written, refused with the place of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from almond.design.identity import design_digest
from almond.errors import InputError
from studies import services
from studies.models import Construct, Exclusion, Hypothesis, Preregistration, Study, StudyTemplate
from studies.services import BlockSpec
from studies.services.designs.reading import read_design, study_from_design
from studies.services.designs.templates import all_templates, keep_template, shipped_templates
from studies.services.designs.writing import design_bytes, design_json
from studies.services.plans import build_plan
from tests.site.small_study import advance, make_constructs, make_image_set, make_matched_set

pytestmark = pytest.mark.django_db


def rich_study() -> Study:
    """A draft with something of everything: photographs in a block, a rule, a hypothesis, texts, a date."""
    constructs = make_constructs()
    study = services.create_study(
        title="Rich",
        slug="rich",
        matched_set=make_matched_set("rich", scenes=6),
        participants_planned=12,
        n_lists=3,
        permutations=99,
        consent="We ask.",
        unmatched_reason="Of a test.",
        blocks=[
            BlockSpec("rating", "photographs", constructs, image_set=make_image_set(images=3)),
            BlockSpec("rating", "scenes", constructs, repeats=2, instructions="Look."),
            BlockSpec("choice", "choices", constructs[:1], trials=4),
        ],
        by=None,
    )
    Exclusion.objects.create(study=study, rule="speed", parameters={"fastest_ms": 300.0})
    Hypothesis.objects.create(
        study=study, name="H1", text="They tell them apart.", test="choice_specificity", parameter=None
    )
    Preregistration.objects.create(study=study, blinding="None.", stop_on="2027-01-31")
    return study


def again(data: bytes, **own: Any) -> Study:
    return study_from_design(
        read_design(data, "rich.json"), **{"title": "Rich", "slug": "again", "by": None, **own}
    )


def test_a_design_read_back_makes_the_same_plan() -> None:
    study = rich_study()
    copied = again(design_bytes(study))
    assert build_plan(copied).digest == build_plan(study).digest
    assert design_json(copied) == design_json(study)
    assert copied.is_draft
    assert copied.slug == "again"


def test_a_frozen_study_has_the_design_of_its_draft() -> None:
    study = rich_study()
    before = design_json(study)
    assert design_json(advance(study, "closed")) == before


def test_constructs_that_are_missing_are_made() -> None:
    data = json.loads(design_bytes(rich_study()))
    data["blocks"] = [{**block, "constructs": ["new"]} for block in data["blocks"]]
    data["constructs"] = [
        {
            "name": "new",
            "question": "How new?",
            "low": "old",
            "high": "new",
            "choice": "Which is newer?",
            "translations": [{"language": "de", "question": "Wie neu?", "low": "alt", "high": "neu"}],
        }
    ]
    again(json.dumps(data).encode())
    made = Construct.objects.get(name="new")
    assert made.choice == "Which is newer?"
    assert made.texts.get().question == "Wie neu?"


CHANGES = [
    ({"format": "almond-design/9"}, "format"),
    ({"surprise": 1}, "surprise"),
    ({"matched_set": "another"}, "there is no matched set 'another' here"),
    ({"fields": {"state": "live"}}, "fields.state: is no field of a study"),
    ({"fields": {"n_lists": 0}}, "n_lists"),
    ({"parts": {"hypotheses": [{"name": "H1", "text": "x", "test": "magic"}]}}, r"parts.hypotheses\[0\]"),
    ({"parts": {"responses": [{}]}}, r"parts.responses\[0\]: is no part of a study"),
    ({"blocks": [{"kind": "rating", "name": "a", "constructs": ["none"]}]}, r"blocks\[0\].constructs"),
    ({"blocks": [{"kind": "odd", "name": "a"}]}, r"blocks\[0\].kind"),
    ({"blocks": [{"kind": "rating", "name": "a", "photographs": "lost"}]}, r"blocks\[0\].photographs"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_is_wrong_is_said_with_its_place_and_nothing_is_made(change: dict[str, Any], said: str) -> None:
    data = json.loads(design_bytes(rich_study())) | change
    counts = Study.objects.count(), Construct.objects.count()
    with pytest.raises(InputError, match=said):
        again(json.dumps(data).encode())
    assert (Study.objects.count(), Construct.objects.count()) == counts


def test_a_construct_in_other_words_is_refused_or_taken_as_it_stands() -> None:
    data = design_bytes(rich_study())
    Construct.objects.filter(name="threat").update(question="How dangerous?")
    with pytest.raises(InputError, match=r"stands here in other words .question: 'How dangerous"):
        again(data)
    taken = again(data, own_words=True)
    assert build_plan(taken).constructs[0].question == "How dangerous?"


def test_a_template_keeps_the_design_without_its_images() -> None:
    study = advance(rich_study(), "live")
    keep_template(study=study, name="Ours", description="All kinds.", by=None)
    with pytest.raises(InputError, match="template Ours"):
        keep_template(study=study, name="Ours", description="", by=None)
    (kept,) = [one for one in all_templates() if one.name == "Ours"]
    begun = study_from_design(
        kept.design, title="Next", slug="next", matched_set=make_matched_set("next", scenes=6), by=None
    )
    assert [block.trials for block in build_plan(begun).blocks] == [3, 26, 4]
    assert design_digest(build_plan(begun), 3)


@pytest.mark.parametrize("template", shipped_templates(), ids=lambda template: template.key)
def test_a_study_from_each_template_that_comes_with_almond_can_be_frozen(template: Any) -> None:
    source: dict[str, Any] = (
        {"image_set": make_image_set(images=8)}
        if "photographs" in template.key
        else {"matched_set": make_matched_set("used", scenes=6)}
    )
    study = study_from_design(template.design, title=template.name, slug="begun", by=None, **source)
    Study.objects.filter(pk=study.pk).update(unmatched_reason="Of a test.", permutations=99)
    study.refresh_from_db()
    assert build_plan(study).trials > 0
    services.freeze(study=study, by=None)


# -- pages


def test_from_a_template_to_a_draft(staff_client: Any) -> None:
    page = staff_client.get(reverse("admin:studies_study_from_design")).content.decode()
    assert all(template.name in page for template in shipped_templates())
    matched = make_matched_set("used")
    fields = {"title": "Begun", "slug": "begun", "matched_set": matched.pk, "own_words": "on"}
    made = staff_client.post(
        reverse("admin:studies_study_from_design"), {**fields, "template": "3-choices-of-a-matched-set"}
    )
    assert made.status_code == 302
    study = Study.objects.get(slug="begun")
    assert [block.kind for block in study.blocks.all()] == ["choice"]
    assert study.matched_set == matched


def test_from_a_file_and_its_errors(staff_client: Any) -> None:
    address = reverse("admin:studies_study_from_design")
    study = rich_study()
    file = staff_client.get(reverse("admin:studies_study_design", args=[study.pk]))
    assert file.headers["Content-Disposition"] == 'attachment; filename="rich-design.json"'
    fields = {"title": "Again", "slug": "again"}
    broken = staff_client.post(address, {**fields, "file": SimpleUploadedFile("x.json", b"{")})
    assert "x.json: is not JSON" in broken.content.decode()
    neither = staff_client.post(address, fields)
    assert "Choose a template or a file" in neither.content.decode()
    taken = staff_client.post(
        address, {**fields, "slug": "rich", "file": SimpleUploadedFile("x.json", file.content)}
    )
    assert "slug" in taken.content.decode()
    assert Study.objects.count() == 1
    made = staff_client.post(address, {**fields, "file": SimpleUploadedFile("x.json", file.content)})
    assert made.status_code == 302
    assert Study.objects.get(slug="again").blocks.count() == 3


def test_a_study_is_kept_as_a_template_on_its_page(staff_client: Any) -> None:
    study = rich_study()
    address = reverse("admin:studies_study_keep_template", args=[study.pk])
    assert "Kept are blocks" in staff_client.get(address).content.decode()
    assert staff_client.post(address, {"name": "Ours", "description": ""}).status_code == 302
    assert StudyTemplate.objects.get().created_by is not None
    assert (
        "already exists" in staff_client.post(address, {"name": "Ours", "description": ""}).content.decode()
    )
