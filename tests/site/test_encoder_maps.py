"""Maps, comparisons and downloads of one fitted encoder: right numbers, and for staff only."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from django.test import override_settings
from django.urls import reverse
from PIL import Image

from accounts.models import User
from almond.encoding.artifacts.artifact import load_artifact
from encoder import services
from encoder.admin import comparison
from encoder.models import Encoder
from tests.site.encoder_rows import GRID, SETTINGS, add_encoder, write_bids, write_nifti
from tests.site.test_encoder_pages import run_all

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def fitted(module_database: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """An encoder that is fitted and drawn, and the lab's folder."""
    folder = tmp_path_factory.mktemp("fitted")
    with override_settings(ALMOND_HOME=folder / "home"):
        made = add_encoder(write_bids(folder / "bids"))
        services.start_fit(encoder=made, by=None)
        run_all()
    return made.pk, folder / "home"


@pytest.fixture
def encoder(fitted: tuple[int, Path], tmp_path: Path, settings: Any) -> Encoder:
    """The encoder, with files that the test may change."""
    settings.ALMOND_HOME = shutil.copytree(fitted[1], tmp_path / "home")
    return Encoder.objects.get(pk=fitted[0])


def test_a_fit_is_followed_by_its_maps(encoder: Encoder, staff_client: Any) -> None:
    version = encoder.versions.get(subject="01", region__name="CM")
    page = staff_client.get(reverse("admin:encoder_encoderversion_change", args=[version.pk]))
    address = reverse("admin:encoder_encoderversion_map", args=[version.pk, "slices.png"])
    assert address in page.content.decode()
    answer = staff_client.get(address)
    assert answer["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(answer.getvalue())) as picture:
        assert picture.width > picture.height > 300
    said = json.loads((version.pictures / "maps.json").read_text())
    assert said["background"] == "mean of 40 volumes of sub-01_task-scenes_run-1_bold.nii.gz"
    image: Any = nibabel.load(version.pictures / "heldout_r.nii.gz")
    artifact = load_artifact(Path(version.path))
    values = np.asarray(image.dataobj)
    np.testing.assert_allclose(
        values[tuple(artifact.voxels.T)], version.metrics["heldout_r_voxels"], rtol=1e-6
    )
    assert np.isnan(values).sum() == np.prod(GRID) - len(artifact.voxels)
    np.testing.assert_allclose(image.affine, np.diag([2.0, 2.0, 2.0, 1.0]))


def test_maps_are_drawn_once_over_the_anatomy_that_is_given(
    encoder: Encoder, staff_client: Any, tmp_path: Path
) -> None:
    version = encoder.versions.get(subject="02", region__name="LB")
    before = (version.pictures / "slices.png").stat().st_mtime_ns
    services.start_drawing(encoder=encoder, subject="02", by=None)
    run_all()
    assert (version.pictures / "slices.png").stat().st_mtime_ns == before
    anatomy = tmp_path / "t1.nii.gz"
    write_nifti(anatomy, np.arange(np.prod(GRID), dtype=np.float32).reshape(GRID))
    encoder.dataset.anatomy = str(anatomy)
    encoder.dataset.save()
    (version.pictures / "maps.json").unlink()
    address = reverse("admin:encoder_encoder_draw", args=[encoder.pk])
    assert staff_client.post(address).status_code == 302
    run_all()
    assert json.loads((version.pictures / "maps.json").read_text())["background"] == "t1.nii.gz"


def test_files_are_for_who_may_see_versions(encoder: Encoder, client: Any) -> None:
    version = encoder.versions.first()
    assert version is not None
    addresses = [
        reverse("admin:encoder_encoderversion_map", args=[version.pk, "slices.png"]),
        reverse("admin:encoder_encoder_betas", args=[encoder.pk]),
        reverse("admin:encoder_encoder_maps", args=[encoder.pk]),
        reverse("admin:encoder_encoder_compare") + f"?a={encoder.pk}&b={encoder.pk}",
        reverse("admin:encoder_encoderversion_compare") + f"?a={version.pk}&b={version.pk}",
    ]
    for address in addresses:
        assert client.get(address).status_code == 302
    client.force_login(User.objects.create_user("other", password="a long enough password", is_staff=True))
    for address in addresses:
        assert client.get(address).status_code == 403


def test_only_files_of_the_maps_are_served(encoder: Encoder, staff_client: Any) -> None:
    version = encoder.versions.first()
    assert version is not None
    for name in ("artifact.json", "secret_key"):
        address = reverse("admin:encoder_encoderversion_map", args=[version.pk, "x"]).removesuffix("x") + name
        assert staff_client.get(address).status_code == 404


def test_mean_weights_and_maps_leave_as_zip_files(encoder: Encoder, staff_client: Any) -> None:
    answer = staff_client.get(reverse("admin:encoder_encoder_betas", args=[encoder.pk]))
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as archive:
        lines = archive.read("meanbeta_sub-01_LB_fc7_invert_imageFeatures.csv").decode().split()
    artifact = load_artifact(Path(encoder.versions.get(subject="01", region__name="LB").path))
    assert lines[0] == "Var1"
    np.testing.assert_array_equal([float(line) for line in lines[1:]], artifact.mean_weights)
    maps = staff_client.get(reverse("admin:encoder_encoder_maps", args=[encoder.pk]))
    with zipfile.ZipFile(io.BytesIO(maps.getvalue())) as archive:
        assert sorted(archive.namelist()) == [
            f"sub-{subject}_{region}_heldout_r.nii.gz" for subject in ("01", "02") for region in ("CM", "LB")
        ]


def test_two_encoders_are_compared_subject_by_subject(encoder: Encoder, staff_client: Any) -> None:
    other = services.create_encoder(
        name="tiny ridge",
        dataset=encoder.dataset,
        feature_space=encoder.feature_space,
        regions=encoder.regions.all(),
        model="ridge",
        config={**SETTINGS, "folds": 4},
        by=None,
    )
    services.start_fit(encoder=other, by=None)
    run_all()
    found = comparison.compare_encoders(encoder, other)
    assert {one.region for one in found} == {"LB", "CM"}
    one = found[0]
    rows = {
        version.subject: version.heldout_r for version in encoder.versions.filter(region__name=one.region)
    }
    assert [a for _, a, _ in one.rows] == [rows["01"], rows["02"]]
    assert one.difference == pytest.approx(one.means[1] - one.means[0])
    differing = comparison.differing(comparison.settings_rows(encoder), comparison.settings_rows(other))
    assert ("model", "pls", "ridge") in differing
    assert ("folds", "3", "4") in differing
    page = staff_client.get(
        reverse("admin:encoder_encoder_compare"), {"a": encoder.pk, "b": other.pk}
    ).content.decode()
    assert "16 voxels, all subjects" in page
    assert page.count("<svg") == 4
    pair = [one.versions.get(subject="01", region__name="LB") for one in (encoder, other)]
    page = staff_client.get(
        reverse("admin:encoder_encoderversion_compare"), {"a": pair[0].pk, "b": pair[1].pk}
    ).content.decode()
    assert "8 shared voxels" in page
    for address in ("encoder", "encoderversion"):
        wrong = reverse(f"admin:encoder_{address}_compare")
        assert staff_client.get(wrong, {"a": "x", "b": "1"}).status_code == 404
