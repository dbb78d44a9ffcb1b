"""Targets of every kind: axes in the form and as made, averages, and judges that leave one subject out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from almond.encoding.features.tables import load_table
from almond.errors import InputError
from almond.targets.axes import principal_axes, selective_target
from almond.targets.target import load_target, scores
from encoder import services
from encoder.models import Encoder, Target
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import add_encoder, add_target, bare_encoder, write_bids

pytestmark = pytest.mark.django_db
ADD = "admin:encoder_target_add"


@pytest.fixture
def encoder(tmp_path: Path, settings: Any) -> Encoder:
    settings.ALMOND_HOME = tmp_path / "home"
    made = add_encoder(write_bids(tmp_path / "bids", subjects=["01", "02", "03"]))
    for job in services.start_fit(encoder=made, by=None):
        assert run_now(job).state == "done"
    Job.objects.filter(kind="encoder.draw").delete()
    return made


def made(target: Target) -> Any:
    assert target.job is not None
    job = run_now(target.job)
    assert job.state == "done", job.error
    target.refresh_from_db()
    return load_target(Path(target.path))


def reference(encoder: Encoder) -> Any:
    return load_table(Path(encoder.feature_space.path)).values


def test_a_principal_axis_is_that_of_the_regions_scores(encoder: Encoder) -> None:
    regions = dict.fromkeys(("LB", "CM"), 1.0)
    axis = services.make_target(
        name="second",
        encoder=encoder,
        coefficients=regions,
        axis={"method": "principal", "number": 2},
        by=None,
    )
    found = made(axis)
    parts = [made(services.make_target(name=name, encoder=encoder, by=None)) for name in axis.coefficients]
    expected = principal_axes(parts, reference(encoder)).targets[1]
    np.testing.assert_allclose(found.weights, expected.weights)
    assert (axis.kind, found.name) == ("axis", "second")


def test_a_selective_target_is_uncorrelated_with_the_others(encoder: Encoder) -> None:
    axis = services.make_target(
        name="only",
        encoder=encoder,
        coefficients={"LB": 1.0, "CM": 1.0},
        axis={"method": "selective", "of": "LB"},
        by=None,
    )
    found, rows = made(axis), reference(encoder)
    other = made(services.make_target(name="CM", encoder=encoder, by=None))
    own = made(services.make_target(name="LB", encoder=encoder, by=None))
    assert abs(np.corrcoef(scores(found, rows), scores(other, rows))[0, 1]) < 1e-8
    np.testing.assert_allclose(found.weights, selective_target("only", own, [other], rows).weights)


def test_each_subject_guides_and_all_others_judge(encoder: Encoder, staff_client: Any) -> None:
    form = {
        "name": "LB",
        "encoder": encoder.pk,
        "role": "guide",
        "each": "on",
        "weights": "",
        "subjects": "",
        "reference_kind": "table",
        "scenes": "",
        "folder": "",
    }
    page = staff_client.post(reverse(ADD), form)
    assert page.status_code == 302, page.context["adminform"].form.errors
    guides, judges = Target.objects.filter(role="guide"), Target.objects.filter(role="judge")
    assert [guide.name for guide in guides] == ["LB_01", "LB_02", "LB_03"]
    for guide in guides:
        judge = judges.get(of_guide=guide)
        assert set(judge.subjects) == {"01", "02", "03"} - set(guide.subjects)
        assert judge.score_name == f"{guide.name}_judge"
    first = judges.get(name="LB_01")
    found = made(first)
    both = [made(guides.get(name=f"LB_{subject}")).weights for subject in ("02", "03")]
    np.testing.assert_allclose(found.weights, np.mean(both, axis=0))
    text = staff_client.get(reverse("admin:encoder_target_change", args=[first.pk])).content.decode()
    assert "Scores only the images of" in text


def test_a_guide_is_given_a_judge_of_all_others_from_its_page(staff_client: Any) -> None:
    encoder = bare_encoder()
    guide = add_target(encoder, "LB")
    add_target(encoder, "CM", number=2)  # of the same subjects: it may not be judged by them
    address = reverse("admin:encoder_target_judge", args=[guide.pk])
    page = staff_client.get(reverse("admin:encoder_target_change", args=[guide.pk]))
    assert address in page.content.decode()
    assert staff_client.post(address).status_code == 302
    judge = Target.objects.get(of_guide=guide)
    assert (judge.role, judge.subjects, judge.name) == ("judge", ["03", "04"], "LB")
    assert "cannot have a further judge" in staff_client.post(address, follow=True).content.decode()
    assert Target.objects.filter(role="judge").count() == 1


def test_a_judge_of_one_guide_does_not_forbid_other_guides(db: None) -> None:
    encoder = bare_encoder()
    guide = services.make_target(name="LB", encoder=encoder, subjects=["01"], by=None)
    services.make_judge(guide=guide, by=None)
    services.make_target(name="CM", encoder=encoder, subjects=["02"], by=None)
    with pytest.raises(InputError, match="sub-01 already serve the guide LB"):
        services.make_target(
            name="SF",
            encoder=encoder,
            subjects=["01"],
            role="judge",
            coefficients={"SF": 1.0},
            of_guide=guide,
            by=None,
        )


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"direction": "principal", "weights": "LB"}, "weights", "two or more regions for an axis"),
        ({"direction": "principal", "number": "9"}, "number", "1 to 3"),
        ({"direction": "selective", "of": "XX"}, "of", "is not among the regions"),
        ({"direction": "images", "low": "/no", "high": "/no"}, "low", "is not a folder"),
        ({"direction": "images", "low": "{tmp}", "high": "/no"}, "high", "is not a folder"),
        ({"direction": "spiral"}, "direction", "Select a valid choice"),
        ({"name": "taken", "weights": "LB"}, "name", "already has a guide called taken"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    staff_client: Any, tmp_path: Path, given: dict[str, str], field: str, words: str
) -> None:
    encoder = bare_encoder()
    add_target(encoder, "taken")
    form = {
        "name": "axis",
        "encoder": encoder.pk,
        "role": "guide",
        "weights": "",
        "subjects": "",
        "reference_kind": "world",
        "scenes": "100",
        "folder": "",
    }
    filled = {name: text.format(tmp=tmp_path) for name, text in given.items()}
    page = staff_client.post(reverse(ADD), {**form, **filled})
    assert page.status_code == 200
    found = page.context["adminform"].form.errors
    assert any(words in text for text in found.get(field, [])), found
    assert Target.objects.count() == 1


def test_an_axis_between_folders_of_images(staff_client: Any, tmp_path: Path) -> None:
    for name in ("low", "high"):
        (tmp_path / name).mkdir()
    encoder = bare_encoder()
    form = {
        "name": "light",
        "encoder": encoder.pk,
        "role": "guide",
        "direction": "images",
        "low": str(tmp_path / "low"),
        "high": str(tmp_path / "high"),
        "reference_kind": "world",
        "scenes": "100",
    }
    page = staff_client.post(reverse(ADD), {**form, "weights": "", "subjects": "", "folder": ""})
    assert page.status_code == 302, page.context["adminform"].form.errors
    target = Target.objects.get()
    assert (target.kind, target.subjects, target.coefficients) == ("axis", [], {})
    assert target.axis["low"] == str(tmp_path / "low")
    assert staff_client.get(reverse("admin:encoder_target_change", args=[target.pk])).status_code == 200


def test_what_scores_no_image_makes_no_target(db: None) -> None:
    encoder = bare_encoder()
    encoder.more_spaces.add(encoder.feature_space)
    with pytest.raises(InputError, match="several feature spaces"):
        services.make_target(name="LB", encoder=encoder, by=None)
    encoder.more_spaces.clear()
    Encoder.objects.filter(pk=encoder.pk).update(model="flow")
    encoder.refresh_from_db()
    with pytest.raises(InputError, match="flow has no weight"):
        services.make_target(name="LB", encoder=encoder, by=None)
