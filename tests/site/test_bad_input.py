"""Bad input at every door: a message that names the thing and what was expected, and nothing half-written.

Here the doors are jobs with what the admin shows of them, the command line, and the participants' addresses.
"""

from __future__ import annotations

import html
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from almond.cli.main import main
from encoder.models import EncoderVersion
from encoder.services import make_target
from generation.models import ImageSet, Stimulus
from jobs.models import Job, State
from jobs.services import run_now
from ratings import services as ratings
from ratings.models import Attempt, Participant, Response
from studies.models import AssignmentList, Study
from studies.services import BlockSpec, create_study
from tests.site.encoder_rows import (
    SETTINGS,
    add_encoder,
    bare_encoder,
    write_bids,
    write_nifti,
)
from tests.site.generation_rows import photograph, write_photographs
from tests.site.small_study import answer_to, make_constructs, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME, settings.DATA_ROOTS = tmp_path / "home", [tmp_path]
    return tmp_path


def words_of(page: Any) -> str:
    return html.unescape(page.content.decode())


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# Brain data that cannot be fitted.


def cut_short(root: Path) -> None:
    path = root / "sub-01" / "func" / "sub-01_task-scenes_run-2_bold.nii.gz"
    path.write_bytes(path.read_bytes()[:-400])


def no_header(root: Path) -> None:
    (root / "sub-01" / "func" / "sub-01_task-scenes_run-1_bold.nii.gz").write_bytes(b"no NIfTI file")


def no_mask(root: Path) -> None:
    (root / "masks" / "CM.nii.gz").write_bytes(b"\x1f\x8b no NIfTI file")


def elsewhere(root: Path) -> None:
    write_nifti(root / "masks" / "CM.nii.gz", np.ones((5, 4, 3), np.uint8), shift=500)


def too_few_rows(root: Path) -> None:
    path = root / "features.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-7]))


UNFIT = [
    pytest.param(cut_short, ["run-2_bold.nii.gz: its data end early or are damaged"], id="truncated run"),
    pytest.param(no_header, ["run-1_bold.nii.gz: is not a readable NIfTI file"], id="corrupt run"),
    pytest.param(no_mask, ["CM.nii.gz: its data end early or are damaged"], id="corrupt mask"),
    pytest.param(
        elsewhere,
        ["CM", "no part of it overlaps the BOLD", "has shape (5, 4, 3)", "expected the same space"],
        id="mask in another space",
    ),
    pytest.param(too_few_rows, ["features.csv: has 83 rows", "90 rows"], id="wrong number of rows"),
]


@pytest.mark.parametrize(("break_it", "words"), UNFIT)
def test_a_fit_says_on_its_page_what_is_wrong(
    staff_client: Any, lab: Path, break_it: Callable[[Path], None], words: list[str]
) -> None:
    root = write_bids(lab / "bids", subjects=["01"])
    break_it(root)
    encoder = add_encoder(root)
    staff_client.post(reverse("admin:encoder_encoder_fit", args=[encoder.pk]))
    job = run_now(Job.objects.get())
    assert job.state == State.FAILED
    assert [word for word in words if word not in job.error] == []
    assert "inside Almond" not in job.error
    page = staff_client.get(reverse("admin:encoder_encoder_change", args=[encoder.pk]))
    assert job.error in words_of(page)
    assert not EncoderVersion.objects.exists()
    assert files_below(lab / "home" / "artifacts") == []


@pytest.mark.parametrize(("break_it", "words"), UNFIT)
def test_the_command_line_says_the_same(
    lab: Path, capsys: Any, break_it: Callable[[Path], None], words: list[str]
) -> None:
    root = write_bids(lab / "bids", subjects=["01"])
    break_it(root)
    masks = {name: str(root / "masks" / f"{name}.nii.gz") for name in ("LB", "CM")}
    table = {"kind": "table", "path": str(root / "features.csv")}
    config = {"dataset": str(root), "features": table, "regions": masks, **SETTINGS}
    (lab / "fit.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", str(lab / "fit.yaml"), "--out", str(lab / "out")]) == 1
    said = capsys.readouterr().err
    assert [word for word in words if word not in said] == []
    assert "Traceback" not in said
    assert files_below(lab / "out") == []


# Images that are none.


def zipped(**files: bytes) -> SimpleUploadedFile:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.png", data)
    return SimpleUploadedFile("photographs.zip", stream.getvalue())


@pytest.mark.parametrize(
    ("fake", "problem"),
    [
        pytest.param(b"no image at all", "is not an image", id="words"),
        pytest.param(photograph(1, "PNG")[:90], "is a damaged image", id="cut short"),
        pytest.param(b"", "is not an image", id="empty"),
    ],
)
def test_an_upload_with_an_image_that_is_none_brings_in_nothing(
    staff_client: Any, lab: Path, fake: bytes, problem: str
) -> None:
    form = {"name": "set", "folder": "", "norms_file": "", "archive": zipped(a=photograph(0, "PNG"), b=fake)}
    assert staff_client.post(reverse("admin:generation_imageset_add"), form).status_code == 302
    image_set = ImageSet.objects.get()
    job = run_now(Job.objects.get())
    assert job.state == State.FAILED
    assert f"b.png: {problem}" in job.error
    assert "(expected a " in job.error
    page = staff_client.get(reverse("admin:generation_imageset_change", args=[image_set.pk]))
    assert job.error in words_of(page)
    assert not Stimulus.objects.exists()
    assert files_below(lab / "home" / "stimuli") == []


def test_a_target_is_not_standardised_on_images_that_are_none(lab: Path) -> None:
    folder = write_photographs(lab / "reference")
    (folder / "fake.jpg").write_text("no image")
    given = {"kind": "folder", "path": str(folder)}
    target = make_target(name="LB", encoder=bare_encoder(), reference=given, by=None)
    assert target.job is not None
    job = run_now(target.job)
    assert job.state == State.FAILED
    assert "fake.jpg: is not an image (expected a PNG, JPEG, " in job.error
    target.refresh_from_db()
    assert target.digest == ""
    assert files_below(lab / "home" / "targets") == []


# Studies that cannot be frozen.


@pytest.mark.parametrize("empty_set", [False, True])
def test_a_study_without_stimuli_is_not_frozen(staff_client: Any, empty_set: bool) -> None:
    images = ImageSet.objects.create(name="none yet", folder="/nowhere") if empty_set else None
    blocks = [BlockSpec("rating", "ratings", make_constructs())]
    study = create_study(title="Empty", slug="empty", image_set=images, blocks=blocks, by=None)
    page = staff_client.post(reverse("admin:studies_study_freeze", args=[study.pk]), follow=True)
    assert "study 'Empty': has no stimuli" in words_of(page)
    assert "(expected a" in words_of(page)
    study.refresh_from_db()
    assert (study.state, study.plan, study.plan_digest) == (Study.State.DRAFT, {}, "")
    assert not AssignmentList.objects.exists()
    assert not AuditEvent.objects.filter(verb="freeze").exists()


# Answers that are not a participant's own, or impossible.


@pytest.fixture
def people() -> tuple[Any, Participant]:
    """Who answers, with token, and somebody else in the same study."""
    study = make_study()
    return ratings.join(study=study), ratings.join(study=study).participant


PEOPLE = Participant.objects.values("status", "finished_at", "completion_code")
REFUSED: dict[str, tuple[dict[str, Any], str | None, int, str, str]] = {
    "a forged token": ({}, "x" * 43, 403, "token", "the link given after consent"),
    "a token that is none": ({}, "admin", 403, "token", "the link given after consent"),
    "somebody else's trial": ({"trial_id": "theirs"}, None, 403, "trial_id", "a trial of this participant"),
    "a negative reaction time": ({"rt_ms": -1}, None, 400, "rt_ms", "a number of at least 0"),
    "a reaction time that is none": ({"rt_ms": "fast"}, None, 400, "rt_ms", "a number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_answer_is_a_4xx_that_names_its_field(
    client: Client, people: tuple[Any, Participant], case: str
) -> None:
    changes, token, status, field, expected = REFUSED[case]
    me, other = people
    if "trial_id" in changes:
        changes = {"trial_id": other.trials.get(index=0).name}
    body = answer_to(me.participant.trials.get(index=0), **changes)
    before = list(PEOPLE.order_by("pk"))
    address = reverse("participant_responses", args=[token or me.token])
    refused = client.post(address, json.dumps(body), content_type="application/json")
    assert refused.status_code == status
    assert refused.json()["error"]["field"] == field
    assert expected in refused.json()["error"]["expected"]
    assert not refused.json()["acknowledged"]
    assert not Response.objects.exists()
    assert not Attempt.objects.filter(outcome="stored").exists()
    assert list(PEOPLE.order_by("pk")) == before
