"""Diagnoses in the site: asked for, drawn in a job that goes on, shown in the admin."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from almond.diagnosis.settings import DiagnosisSettings
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.features.kinds.world import open_world
from almond.encoding.features.space import card_of_space
from almond.errors import Cancelled, InputError
from almond.progress import Part, Silent
from almond.rng import generator
from encoder.models import Encoder, EncoderVersion, Target
from generation import services
from generation.diagnoses import Diagnosis, diagnosis_root, picture_root
from generation.runs.diagnosis import Readers
from generation.services.diagnoses import picture_count
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import bare_encoder
from tests.site.generation_rows import add_recipe, guides, judges, real_target, write_photographs

pytestmark = pytest.mark.django_db

PROMPTS = ("a person standing in a room", "a street")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


def asked(**changes: Any) -> DiagnosisSettings:
    values: dict[str, Any] = {
        "generator": "analytic",
        "prompts": PROMPTS,
        "seeds": (3,),
        "strengths": (0.12,),
        "window": (0.02, 0.5),
        "steps": 3,
        "both_signs": False,
        "unguided": 4,
        "interpolations": 0,
        "permutations": 19,
    }
    return DiagnosisSettings(**{**values, **changes})


def judged_targets() -> list[Target]:
    """Two guides and their judges, with weights in files; no encoder has artifacts."""
    encoder = bare_encoder()
    EncoderVersion.objects.all().delete()
    roles = (("LB", "guide"), ("CM", "guide"), ("LB", "judge"), ("CM", "judge"))
    return [real_target(encoder, name, role, seed) for seed, (name, role) in enumerate(roles)][:2]


def fitted_targets(root: Path, subjects: tuple[str, ...] = ("01", "02", "03", "04")) -> list[Target]:
    """Guides of sub-01 and sub-02, with artifacts of ``subjects`` on disk."""
    encoder = bare_encoder()
    EncoderVersion.objects.all().delete()
    for number, name in enumerate(("LB", "CM")):
        for subject in subjects:
            add_version(root, encoder, name, subject, number)
    targets = [real_target(encoder, name, "guide", seed) for seed, name in enumerate(("LB", "CM"))]
    for target in targets:
        target.subjects = ["01", "02"]
        target.reference = {"kind": "world", "scenes": 6, "seed": 1}
        target.save()
    return targets


def add_version(root: Path, encoder: Encoder, region: str, subject: str, number: int) -> None:
    space = open_world()
    rng = generator(number, "artifact", subject)
    artifact = EncoderArtifact(
        subject=subject,
        region=region,
        model="pls",
        feature_space=card_of_space(space),
        weights=rng.normal(size=(space.dimension, 2)),
        intercept=np.zeros(2),
        voxels=np.array([[0, 0, 0], [0, 0, 1]]),
        dropped=np.zeros((0, 3), np.int64),
        mask_digest="0" * 64,
    )
    digest, path = save_artifact(root / "artifacts", artifact)
    EncoderVersion.objects.create(
        encoder=encoder,
        subject=subject,
        region=encoder.regions.get(name=region),
        model="pls",
        digest=digest,
        path=str(path),
        metrics={},
    )


def finished(row: Diagnosis) -> Diagnosis:
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == "done", ended.error + ended.traceback
    row.refresh_from_db()
    return row


# The job


def test_a_diagnosis_leaves_a_report_with_a_verdict(home: Path) -> None:
    photographs = write_photographs(home / "photos", tuple(f"{n}.png" for n in range(6)))
    images = services.import_image_set(name="photographs", folder=photographs, by=None)
    assert images.job is not None
    run_now(images.job)
    row = services.start_diagnosis(
        name="first", targets=judged_targets(), settings=asked(), image_set=images, by=None
    )
    assert [judge.score_name for judge in row.judges.all()] == ["LB_judge", "CM_judge"]
    finished(row)
    assert row.verdict in ("no verdict", "bad")
    assert row.folder == f"diagnosis-{row.pk}"
    assert (row.path / "report.html").is_file()
    assert row.headline[0].startswith(("No verdict", "Bad"))
    assert row.result["checks"]["natural"]["standing"] != "not measured"
    drawn = {path.stem for path in picture_root().rglob("*.png")}
    assert len(drawn) == picture_count(asked(), 2) == 12
    assert set(row.pictures) == drawn
    assert (
        services.start_diagnosis(
            name="second", targets=row.targets.all(), settings=asked(), by=None
        ).judges.count()
        == 2
    )
    with pytest.raises(InputError, match="is finished"):
        services.resume_diagnosis(diagnosis=row, by=None)


def test_a_cancelled_diagnosis_goes_on_at_the_first_missing_picture() -> None:
    row = services.start_diagnosis(name="first", targets=judged_targets(), settings=asked(), by=None)
    assert row.job is not None

    class Impatient:
        reports = 0

        def report(self, fraction: float, message: str = "") -> None:
            self.reports += "images" in message
            if self.reports > 10:
                raise Cancelled("stop")

    assert run_now(row.job, also=Impatient()).state == "cancelled"
    there = {path: path.stat().st_mtime_ns for path in (diagnosis_root() / "pictures").rglob("*.png")}
    assert 0 < len(there) < 12
    services.resume_diagnosis(diagnosis=row, by=None)
    finished(row)
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())


# Readers


def readers_of(targets: list[Target], home: Path) -> tuple[dict[str, Any], list[str]]:
    row = services.start_diagnosis(name="first", targets=targets, settings=asked(), by=None)
    readers, remarks = Readers(row, Part(Silent(), 0.0, 1.0)).make()
    return {reader.name: reader for reader in readers}, remarks


def test_subjects_who_do_not_guide_judge(home: Path) -> None:
    readers, remarks = readers_of(fitted_targets(home), home)
    assert readers["guide"].subjects == {"01", "02"}
    judge = readers["the other subjects"]
    assert (judge.role, judge.subjects) == ("judge", {"03", "04"})
    assert {name for name in readers if name.startswith("sub-")} == {"sub-01", "sub-02", "sub-03", "sub-04"}
    assert "made of sub-03, sub-04" in remarks[0]
    image = generator(1, "picture").integers(0, 255, (96, 96, 3)).astype(np.uint8)
    singles = np.mean([readers[f"sub-{s}"].scorer.targets[0].weights for s in ("03", "04")], axis=0)
    assert judge.scorer.targets[0].weights == pytest.approx(singles)
    assert judge.read([image]).shape == (1, 2)


def test_where_everybody_guides_half_of_them_guide_instead(home: Path) -> None:
    readers, remarks = readers_of(fitted_targets(home, ("01", "02")), home)
    assert (readers["guide"].subjects, readers["the other subjects"].subjects) == ({"01"}, {"02"})
    assert "the verdict is about these guides" in remarks[0]


def test_with_one_subject_nobody_can_judge(home: Path) -> None:
    readers, remarks = readers_of(fitted_targets(home, ("01",)), home)
    assert {reader.role for reader in readers.values()} == {"guide", "subject"}
    assert "There is no held-out reader" in remarks[0]


# What is refused


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"prompts": ("xylophone",)}, "xylophone"),
        ({"generator": "/no/folder"}, "the folder of a pipeline"),
        ({"seeds": tuple(range(500)), "prompts": PROMPTS}, "pictures"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_it_begins(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        services.start_diagnosis(name="first", targets=guides(), settings=asked(**changes), by=None)
    assert not Diagnosis.objects.exists()
    assert not Job.objects.exists()


def test_a_judge_who_guided_is_refused() -> None:
    encoder = bare_encoder()
    targets, held_out = guides(encoder), judges(encoder)
    Target.objects.filter(pk=held_out[0].pk).update(subjects=["02", "03"])
    held_out[0].refresh_from_db()
    with pytest.raises(InputError, match="holds sub-02, who guided"):
        services.start_diagnosis(name="a", targets=targets, settings=asked(), judges=held_out, by=None)
    with pytest.raises(InputError, match="one for each guide"):
        services.start_diagnosis(name="a", targets=targets, settings=asked(), judges=held_out[1:], by=None)
    row = services.start_diagnosis(name="a", targets=targets, settings=asked(), by=None)
    assert not row.judges.exists()


def test_a_row_is_ready_with_its_verdict_only() -> None:
    row = services.start_diagnosis(name="first", targets=guides(), settings=asked(), by=None)
    for fields in ({"finished_at": timezone.now()}, {"verdict": "good"}, {"folder": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Diagnosis.objects.filter(pk=row.pk).update(**fields)


# The pages


@pytest.fixture
def staff(client: Any) -> Any:
    user = User.objects.create_user("staff", password="word", is_staff=True)
    wanted = [f"{verb}_diagnosis" for verb in ("view", "add", "change")] + [
        "view_recipe",
        "change_recipe",
        "add_recipe",
    ]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client.force_login(user)
    return client


def form(offered: list[Target], **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": "first",
        "generator": "analytic",
        "prompts": "a room\n\n a street \na park by day",
        "seeds": "1-2",
        "targets": [target.pk for target in offered],
        "objective": "contrast",
        "strengths": "0.03, 0.12",
        "window_low": "",
        "window_high": "",
        "ramp": "",
        "steps": "",
        "rule": "through",
        "unguided": "100",
        "interpolations": "2",
        "permutations": "1000",
    }
    return {**values, **changes}


def test_the_form_asks_for_a_diagnosis(staff: Any) -> None:
    answer = staff.post(reverse("admin:generation_diagnosis_add"), form(guides()))
    assert answer.status_code == 302, answer.context["errors"]
    row = Diagnosis.objects.get()
    settings = row.diagnosis_settings()
    assert settings.prompts == ("a room", "a street", "a park by day")
    assert (settings.seeds, settings.both_signs, settings.window) == ((1, 2), False, (0.02, 0.5))
    assert answer.url == reverse("admin:generation_diagnosis_change", args=[row.pk])
    page = staff.get(answer.url).content.decode()
    assert "a park by day" in page
    assert "queued" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts": "xylophone"}, "xylophone"),
        ({"strengths": "strong"}, "numbers separated by commas"),
        ({"strengths": "0.1, 0.1"}, "more than once"),
        ({"window_low": "0.6"}, "0 &lt;= low &lt; high"),
        ({"seeds": "one"}, "whole numbers and ranges"),
        ({"targets": []}, "This field is required"),
        ({"film_folder": "/etc"}, "outside of the server"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(staff: Any, changes: dict[str, Any], words: str) -> None:
    answer = staff.post(reverse("admin:generation_diagnosis_add"), form(guides(), **changes), follow=True)
    assert words in answer.content.decode()
    assert not Diagnosis.objects.exists()


def test_a_recipe_and_an_encoder_fill_the_form(staff: Any) -> None:
    targets = guides()
    recipe = add_recipe(targets, prompt="a park by day", seeds=[4, 5, 6], strengths=[0.03, 0.06])
    address = reverse("admin:generation_diagnosis_add")
    page = staff.get(reverse("admin:generation_recipe_change", args=[recipe.pk])).content.decode()
    assert f"{address}?recipe={recipe.pk}" in page
    filled = staff.get(address, {"recipe": recipe.pk}).context["adminform"].form
    assert filled.initial["prompts"] == "a park by day"
    assert (filled.initial["seeds"], filled.initial["strengths"]) == ("4, 5", "0.03, 0.06")
    of_encoder = staff.get(address, {"encoder": targets[0].encoder_id}).context["adminform"].form
    assert of_encoder.initial["targets"] == [target.pk for target in targets]


def test_the_report_is_shown_to_people_who_may_see_it(staff: Any, client: Any) -> None:
    row = services.start_diagnosis(name="first", targets=judged_targets(), settings=asked(), by=None)
    address = reverse("diagnosis_report", args=[row.pk])
    assert staff.get(address).status_code == 404
    finished(row)
    page = staff.get(address).content.decode()
    assert "Is the score being fooled?" in page
    report = staff.get(reverse("admin:generation_diagnosis_change", args=[row.pk])).content.decode()
    assert row.verdict in report
    assert "Where else to look" in report
    (address,) = re.findall(r'href="([^"]*recipe/add/[^"]*)"', report)
    filled = staff.get(html.unescape(address)).context["adminform"].form.initial
    settings = row.diagnosis_settings()
    assert filled["prompt"] == settings.prompts[0]
    assert [float(value) for value in filled["strengths"].split(",")] == list(settings.ordered_strengths)
    assert {int(pk) for pk in filled["targets"]} == set(row.targets.values_list("pk", flat=True))
    for name in ("report.html", "report.md", "result.json", "pictures.csv"):
        sent = staff.get(reverse("diagnosis_report_file", args=[row.pk, name]))
        assert sent.getvalue() == (row.path / name).read_bytes()
    assert staff.get(reverse("diagnosis_report_file", args=[row.pk, "body.html"])).status_code == 404
    stranger = User.objects.create_user("stranger", password="word", is_staff=True)
    client.force_login(stranger)
    assert client.get(address).status_code == 403
