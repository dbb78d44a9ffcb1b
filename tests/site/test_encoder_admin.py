"""The encoding pages: who may see them, what they show, and that only a POST changes anything."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from encoder.models import Dataset, Encoder, EncoderVersion, FeatureSpace, Target
from jobs.models import Job
from tests.site.encoder_rows import add_dataset, add_target, bare_encoder, write_bids

pytestmark = pytest.mark.django_db
PAGES = ("dataset", "region", "featurespace", "encoder", "encoderversion", "target")


@pytest.fixture
def viewer(client: Any) -> Any:
    """A member of staff who may look at encoders and no more."""
    user = User.objects.create_user("viewer", password="a long enough password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_encoder"))
    client.force_login(user)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(staff_client: Any, page: str) -> None:
    encoder = bare_encoder()
    add_target(encoder, "LB")
    assert staff_client.get(reverse(f"admin:encoder_{page}_changelist")).status_code == 200
    row = {
        "dataset": encoder.dataset,
        "region": encoder.regions.first(),
        "featurespace": encoder.feature_space,
        "encoder": encoder,
        "encoderversion": encoder.versions.first(),
        "target": encoder.targets.first(),
    }[page]
    assert row is not None
    assert staff_client.get(reverse(f"admin:encoder_{page}_change", args=[row.pk])).status_code == 200
    if page != "encoderversion":
        assert staff_client.get(reverse(f"admin:encoder_{page}_add")).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_outsiders_are_sent_to_the_login(client: Any, page: str) -> None:
    response = client.get(reverse(f"admin:encoder_{page}_changelist"))
    assert response.status_code == 302
    assert "login" in response["Location"]


def test_the_first_page_shows_the_chain(staff_client: Any) -> None:
    bare_encoder()
    text = staff_client.get(reverse("admin:index")).content.decode()
    places = [text.index(f"</span>{room}</div>") for room in ("Encoding", "Generation", "Studies", "Data")]
    assert places == sorted(places)
    assert reverse("admin:encoder_dataset_changelist") in text


def test_the_first_page_shows_only_what_one_may_see(viewer: Any) -> None:
    bare_encoder()
    text = viewer.get(reverse("admin:index")).content.decode()
    assert reverse("admin:encoder_encoder_changelist") in text
    assert reverse("admin:encoder_dataset_changelist") not in text
    assert reverse("admin:generation_stimulus_changelist") not in text


def test_a_dataset_is_added_with_its_masks(staff_client: Any, tmp_path: Path) -> None:
    root = write_bids(tmp_path / "bids")
    form = {
        "name": "tiny",
        "root": str(root),
        "kind": "measured",
        "description": "",
        "masks": f"LB = {root}/masks/LB.nii.gz\nCM = {root}/masks/CM.nii.gz",
    }
    response = staff_client.post(reverse("admin:encoder_dataset_add"), form)
    assert response.status_code == 302, response.context["errors"]
    dataset = Dataset.objects.get()
    assert [region.name for region in dataset.regions.all()] == ["CM", "LB"]
    assert dataset.subjects == ["01", "02"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"root": "/no/such/folder"}, "is not a folder on this server"),
        ({"masks": "LB"}, "one per line"),
        ({"masks": "LB = /no/mask.nii"}, "is not a file on this server"),
        ({"masks": "LB = {root}/masks/LB.nii.gz\nLB = {root}/masks/CM.nii.gz"}, "a region is named twice"),
    ],
)
def test_a_wrong_dataset_is_refused_in_the_form(
    staff_client: Any, tmp_path: Path, changes: dict[str, str], problem: str
) -> None:
    root = write_bids(tmp_path / "bids")
    form = {"name": "tiny", "root": str(root), "kind": "measured", "masks": "", **changes}
    form["masks"] = form["masks"].replace("{root}", str(root))
    response = staff_client.post(reverse("admin:encoder_dataset_add"), form)
    assert response.status_code == 200
    assert problem in response.content.decode()
    assert not Dataset.objects.exists()


def test_an_encoder_is_described_and_fitted_from_its_page(staff_client: Any, tmp_path: Path) -> None:
    dataset = add_dataset(write_bids(tmp_path / "bids"))
    space = {"name": "features", "kind": "table", "path": f"{dataset.root}/features.csv"}
    assert staff_client.post(reverse("admin:encoder_featurespace_add"), space).status_code == 302
    form = {
        "name": "PLS",
        "of_dataset": dataset.pk,
        "feature_space": FeatureSpace.objects.get().pk,
        "model": "pls",
        "regions": [region.pk for region in dataset.regions.all()],
        "components": "4",
        "folds": "3",
        "gap": "6",
    }
    refused = staff_client.post(reverse("admin:encoder_encoder_add"), {**form, "folds": "1"})
    assert refused.status_code == 200
    response = staff_client.post(reverse("admin:encoder_encoder_add"), form)
    assert response.status_code == 302, response.context["errors"]
    encoder = Encoder.objects.get()
    assert encoder.config == {"components": 4, "folds": 3, "gap": 6.0}
    address = reverse("admin:encoder_encoder_fit", args=[encoder.pk])
    assert staff_client.get(address).status_code == 405
    assert not Job.objects.exists()
    for _ in range(2):
        assert staff_client.post(address).status_code == 302
    assert Job.objects.filter(kind="encoder.fit").count() == 2


def test_a_region_is_added_to_a_dataset_once(staff_client: Any, tmp_path: Path) -> None:
    dataset = add_dataset(write_bids(tmp_path / "bids"))
    form = {"of_dataset": dataset.pk, "name": "SF", "mask_path": f"{dataset.root}/masks/LB.nii.gz"}
    address = reverse("admin:encoder_region_add")
    assert staff_client.post(address, form).status_code == 302
    assert dataset.regions.filter(name="SF").count() == 1
    assert "already has a region SF" in staff_client.post(address, form).content.decode()
    wrong = staff_client.post(address, {**form, "name": "AStr", "mask_path": "/no/mask.nii"})
    assert "is not a file on this server" in wrong.content.decode()
    assert dataset.regions.count() == 3


def test_only_who_may_change_encoders_may_fit(viewer: Any) -> None:
    encoder = bare_encoder()
    page = viewer.get(reverse("admin:encoder_encoder_change", args=[encoder.pk]))
    address = reverse("admin:encoder_encoder_fit", args=[encoder.pk])
    assert page.status_code == 200
    assert address not in page.content.decode()
    assert viewer.post(address).status_code == 403
    assert not Job.objects.exists()


def test_nothing_is_edited_in_place(staff_client: Any) -> None:
    encoder = bare_encoder()
    address = reverse("admin:encoder_encoder_change", args=[encoder.pk])
    assert staff_client.post(address, {"name": "other"}).status_code == 403
    encoder.refresh_from_db()
    assert encoder.name == "bare PLS"


def test_a_target_is_asked_for_in_words(staff_client: Any) -> None:
    encoder = bare_encoder()
    form = {
        "name": "LBminusCM",
        "encoder": encoder.pk,
        "role": "guide",
        "weights": "LB, CM=-0.5",
        "subjects": "01, 02",
        "reference_kind": "world",
        "scenes": "100",
        "folder": "",
    }
    response = staff_client.post(reverse("admin:encoder_target_add"), form)
    assert response.status_code == 302, response.context["errors"]
    target = Target.objects.get()
    assert (target.coefficients, target.subjects) == ({"LB": 1.0, "CM": -0.5}, ["01", "02"])
    assert target.reference == {"kind": "world", "scenes": 100, "seed": 0}
    wrong = staff_client.post(reverse("admin:encoder_target_add"), {**form, "weights": "LB=much"})
    assert "has no number" in wrong.content.decode()
    folder = {**form, "name": "LB", "reference_kind": "folder", "folder": "/no/folder"}
    assert (
        "is not a folder" in staff_client.post(reverse("admin:encoder_target_add"), folder).content.decode()
    )
    assert Target.objects.count() == 1


def test_an_artifact_is_downloaded_as_a_zip_file(viewer: Any, tmp_path: Path) -> None:
    version = bare_encoder().versions.first()
    assert version is not None
    address = reverse("admin:encoder_encoderversion_download", args=[version.pk])
    assert viewer.get(address).status_code == 404
    (tmp_path / "artifact.json").write_text("{}")
    (tmp_path / "weights.npz").write_bytes(b"weights")
    EncoderVersion.objects.filter(pk=version.pk).update(path=str(tmp_path))
    response = viewer.get(address)
    with zipfile.ZipFile(io.BytesIO(response.getvalue())) as archive:
        assert archive.namelist() == [f"{version.digest}/{name}" for name in ("artifact.json", "weights.npz")]
    viewer.logout()
    assert viewer.get(address).status_code == 302


def test_an_artifact_needs_the_permission_to_view(client: Any) -> None:
    version = bare_encoder().versions.first()
    assert version is not None
    user = User.objects.create_user("other", password="a long enough password", is_staff=True)
    client.force_login(user)
    assert client.get(reverse("admin:encoder_encoderversion_download", args=[version.pk])).status_code == 403


def test_the_version_page_shows_provenance(staff_client: Any, tmp_path: Path) -> None:
    version = bare_encoder().versions.first()
    assert version is not None
    (tmp_path / "artifact.json").write_text(
        '{"provenance": {"bold": {"sub-01/func/x_bold.nii.gz": "abc123"}, "code": "almond 0.1.0"}}'
    )
    EncoderVersion.objects.filter(pk=version.pk).update(path=str(tmp_path))
    address = reverse("admin:encoder_encoderversion_change", args=[version.pk])
    text = staff_client.get(address).content.decode()
    assert "sub-01/func/x_bold.nii.gz" in text
    assert "abc123" in text
    assert "<svg" in text
