"""Bad input in the forms and buttons of the admin: they say what is wrong and expected, nothing changes.

No wrong input may end as a fault of the server: the test client would raise it here.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from almond.errors import InputError
from analysis.services import request_export
from encoder.admin import DatasetAdmin
from encoder.models import Dataset, Encoder, FeatureSpace, Region, Target
from encoder.services import make_target
from generation.models import ImageSet, MatchedSet, Recipe
from jobs.models import Job
from studies.models import Study
from tests.site.encoder_rows import (
    add_dataset,
    add_target,
    bare_encoder,
    write_bids,
)
from tests.site.generation_rows import write_photographs
from tests.site.small_study import make_study

pytestmark = pytest.mark.django_db
TOO_LONG = "/" + 300 * "x"


@pytest.fixture
def lab(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME, settings.DATA_ROOTS = tmp_path / "home", [tmp_path]
    return tmp_path


def words_of(page: Any) -> str:
    return html.unescape(page.content.decode())


def dataset_form(lab: Path) -> dict[str, Any]:
    root = write_bids(lab / "bids", subjects=["01"])
    return {"name": "tiny", "root": str(root), "kind": "measured", "description": "", "masks": ""}


def region_form(lab: Path) -> dict[str, Any]:
    root = write_bids(lab / "bids", subjects=["01"])
    (lab / "words.nii").write_text("no NIfTI file")
    (lab / "folder.nii").mkdir()
    dataset = Dataset.objects.create(name="tiny", root=str(root))
    return {"of_dataset": dataset.pk, "name": "LB", "mask_path": str(root / "masks" / "LB.nii.gz")}


def space_form(lab: Path) -> dict[str, Any]:
    return {"name": "table", "kind": "table", "path": str(lab)}


def encoder_form(lab: Path) -> dict[str, Any]:
    dataset = add_dataset(write_bids(lab / "bids", subjects=["01"]))
    space = FeatureSpace.objects.create(name="network")
    regions = [region.pk for region in dataset.regions.all()]
    numbers = {"components": "4", "folds": "3", "gap": "6"}
    return {
        "name": "PLS",
        "of_dataset": dataset.pk,
        "feature_space": space.pk,
        "model": "pls",
        "regions": regions,
        **numbers,
    }


def target_form(lab: Path) -> dict[str, Any]:
    fixed = {"name": "LB", "role": "guide", "weights": "", "subjects": "", "scenes": "", "folder": ""}
    return {**fixed, "encoder": bare_encoder().pk, "reference_kind": "world"}


def recipe_form(lab: Path) -> dict[str, Any]:
    guide = add_target(bare_encoder(), "LB")
    return {
        "name": "rooms",
        "prompt": "a room",
        "seeds": "1-2",
        "targets": [guide.pk],
        "strengths": "1",
        "window_low": "0.02",
        "window_high": "0.4",
        "steps": "25",
        "ramp": "0",
        "rule": "through",
        "generator": "analytic",
    }


def image_set_form(lab: Path) -> dict[str, Any]:
    return {"name": "set", "folder": str(write_photographs(lab / "photographs")), "norms_file": ""}


FORMS: dict[type[Any], Callable[[Path], dict[str, Any]]] = {
    Dataset: dataset_form,
    Region: region_form,
    FeatureSpace: space_form,
    Encoder: encoder_form,
    Target: target_form,
    Recipe: recipe_form,
    ImageSet: image_set_form,
}
WRONG: list[tuple[type[Any], dict[str, str], str]] = [
    (Dataset, {"root": TOO_LONG}, "is not a folder on this server (expected the folder of a BIDS dataset)"),
    (Dataset, {"masks": f"LB = {TOO_LONG}.nii"}, "is not a file on this server (expected a NIfTI mask)"),
    (Dataset, {"masks": 61 * "L" + " = {lab}/bids/masks/LB.nii.gz"}, "(expected 1 to 60 characters)"),
    (Region, {"mask_path": TOO_LONG + ".nii"}, "is not a file on this server (expected a NIfTI mask)"),
    (Region, {"mask_path": "{lab}/words.nii"}, "does not start with a NIfTI header (expected a NIfTI mask)"),
    (Region, {"mask_path": "{lab}/folder.nii"}, "is not a file on this server (expected a NIfTI mask)"),
    (FeatureSpace, {}, "is not a table of features (expected a .csv, .tsv, .npy or .npz file"),
    (FeatureSpace, {"path": TOO_LONG + ".csv"}, "is not a table of features (expected a .csv"),
    (Encoder, {"components": 20 * "9"}, "not a number of at most 9007199254740991"),
    (Encoder, {"gap": "nan"}, "Enter a number."),
    (Target, {"weights": "LB=nan"}, "(expected a finite number for each region)"),
    (Target, {"weights": "LB=1e999"}, "(expected a finite number for each region)"),
    (Target, {"reference_kind": "folder", "folder": TOO_LONG}, "folder: is not a folder on this server"),
    (Target, {"reference_kind": "table"}, "table does not fit the feature space world-fc7 (expected"),
    (Recipe, {"generator": TOO_LONG}, "(expected analytic, small-unet, or the folder of a pipeline)"),
    (ImageSet, {"folder": "{lab}" + TOO_LONG}, "does not exist on this server (expected a folder)"),
    (ImageSet, {"norms_file": "{lab}/photographs"}, "is not a file (expected a CSV of norms)"),
    (
        ImageSet,
        {"theme_column": "Motif"},
        "is the column 'Motif', but there are no norms (expected a file of",
    ),
]


@pytest.mark.parametrize(("model", "changes", "words"), WRONG)
def test_a_form_says_what_is_wrong_and_adds_nothing(
    staff_client: Any, lab: Path, model: type[Any], changes: dict[str, str], words: str
) -> None:
    form = FORMS[model](lab)
    form |= {name: value.replace("{lab}", str(lab)) for name, value in changes.items()}
    before = model.objects.count(), AuditEvent.objects.count()
    page = staff_client.post(reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_add"), form)
    assert page.status_code == 200
    assert words in words_of(page)
    assert (model.objects.count(), AuditEvent.objects.count()) == before
    assert not Job.objects.exists()


def test_an_upload_that_is_no_zip_file_is_refused_at_once(staff_client: Any, lab: Path) -> None:
    form = {"name": "set", "folder": "", "norms_file": "", "archive": SimpleUploadedFile("a.zip", b"x")}
    page = staff_client.post(reverse("admin:generation_imageset_add"), form)
    assert "a.zip: is not a zip file (expected one of images)" in words_of(page)
    assert not ImageSet.objects.exists()
    assert not (lab / "home" / "uploads").exists()


def test_a_table_is_standardised_on_its_own_rows(lab: Path) -> None:
    encoder = Encoder.objects.get(pk=bare_encoder().pk)
    encoder.feature_space = FeatureSpace.objects.create(name="rows", kind="table", path="/nowhere.csv")
    encoder.save()
    with pytest.raises(InputError, match="world does not fit the feature space rows"):
        make_target(name="LB", encoder=encoder, reference={"kind": "world"}, by=None)
    assert not Target.objects.exists()


class RefusingAdmin(DatasetAdmin):
    """A service that refuses, after it began, what the form let through: a file may vanish in between."""

    def create(self, data: dict[str, Any], request: Any) -> Dataset:
        super().create(data, request)
        raise InputError("LB.nii.gz", "is gone", "the mask of a moment ago")


def test_what_a_service_refuses_after_the_form_is_said_and_undone(
    rf: Any, experimenter: Any, lab: Path
) -> None:
    address = reverse("admin:encoder_dataset_add")
    request = rf.post(address, dataset_form(lab))
    client = Client()
    client.force_login(experimenter)
    request.user, request.session = experimenter, client.session
    request._dont_enforce_csrf_checks = True
    request._messages = CookieStorage(request)
    answer = RefusingAdmin(Dataset, admin.site).add_view(request)
    assert (answer.status_code, answer["Location"]) == (302, address)
    said = [str(message) for message in get_messages(request)]
    assert said == ["LB.nii.gz: is gone (expected the mask of a moment ago)"]
    assert not Dataset.objects.exists()


def draft_study() -> Study:
    return make_study(state=Study.State.DRAFT)


def made_target() -> Target:
    return add_target(bare_encoder(), "LB")


def empty_set() -> MatchedSet:
    return MatchedSet.objects.create(name="empty")


def waiting_export() -> Any:
    return request_export(study=make_study(state=Study.State.CLOSED), by=None)


def waiting_job() -> Job:
    return Job.objects.create(kind="encoder.fit")


@pytest.mark.parametrize(
    ("make", "deed", "words"),
    [
        (draft_study, "open", "is draft: it cannot open now (expected one that is frozen or paused)"),
        (draft_study, "pause", "is draft: it cannot pause now (expected one that is live)"),
        (made_target, "remake", "is computed already (expected a target that is still waiting)"),
        (empty_set, "freeze", "has no pairs (expected a set whose matching is done)"),
        (waiting_export, "analyse", "is queued (expected an export that is ready)"),
        (waiting_job, "retry", "is queued (expected one of failed, cancelled)"),
    ],
)
def test_a_button_out_of_turn_says_why_and_changes_nothing(
    staff_client: Any, make: Callable[[], Any], deed: str, words: str
) -> None:
    row = make()
    before = type(row).objects.values().get(pk=row.pk)
    jobs = Job.objects.count()
    name = row._meta.label_lower.replace(".", "_")
    page = staff_client.post(reverse(f"admin:{name}_{deed}", args=[row.pk]), follow=True)
    assert page.status_code == 200
    assert words in words_of(page)
    assert type(row).objects.values().get(pk=row.pk) == before
    assert Job.objects.count() == jobs
